/** The local cache passes the suite of all caches. */
import { cacheRig } from './cache-rig.ts';
import { registerCacheSuite } from './cache-suite.ts';

registerCacheSuite('local cache', () => cacheRig());
