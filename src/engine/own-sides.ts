/** Side files of an action rather than of a content: what an attempt leaves to later ones of the same checkout. */
import type { Digest } from '../model/digest.ts';
import { canonicalJson } from '../model/json.ts';
import type { Plan } from '../model/plan.ts';
import { fail } from '../model/result.ts';
import type { OwnSides } from '../stages/kind.ts';
import { changedInputs } from './changed-inputs.ts';
import type { TakenInputs } from './fingerprint.ts';
import type { Session } from './session.ts';

/** Those of an action. `startsAnew`: the user wants nothing of earlier attempts to be used. */
export function ownSides(
  {
    cache,
    host,
    looks,
    plan,
  }: Pick<Session, 'cache' | 'host' | 'looks'> & { readonly plan: Pick<Plan, 'root' | 'name'> },
  { action, taken, startsAnew }: { action: string; taken: TakenInputs; startsAnew: boolean },
): OwnSides {
  const { sides } = cache;
  const place = (name: string): Digest =>
    host.hashing.digestBytes(canonicalJson({ checkout: plan.root, pipeline: plan.name, action, name }));
  return {
    find: (name) => (startsAnew ? null : sides.find(place(name))),
    async keep(name, directory) {
      const changed = await changedInputs({ host, looks, plan }, taken);
      if (changed.length > 0) return fail({ code: 'input-changed', files: changed });
      return await sides.keep(place(name), directory);
    },
    drop: (name) => sides.drop(place(name)),
  };
}
