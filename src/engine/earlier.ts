/** What an action left last time, for kinds that take over what has not changed since instead of making it again. */
import type { ActionResult, Manifest } from '../model/action.ts';
import { isDigest } from '../model/digest.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import { canonicalJson } from '../model/json.ts';
import type { Earlier, StagedInput } from '../stages/kind.ts';
import { layersDigest } from './manifest.ts';
import type { Session } from './session.ts';

/** An action whose earlier output is wanted. */
interface Wanted {
  readonly action: string;
  /** Of the run that asks. */
  readonly manifest: Manifest;
  readonly output: string;
  /** Absolute path of a directory for it. */
  readonly scratch: string;
}

/**
 * The output of the action's newest result, for reading, if it is one file that the same work made of other inputs. Null
 * when there is none, or when its bytes are gone.
 */
export async function earlierOutput(session: Session, wanted: Wanted): Promise<Earlier | null> {
  const { cache, plan } = session;
  const latest = await cache.actions.latest(plan.name, wanted.action);
  if (latest === null || !isSameWork(latest.manifest, wanted.manifest)) return null;
  const content = latest.artifacts.find(({ name }) => name === wanted.output)?.content;
  if (content?.type !== 'file' || !(await cache.blobs.has(content.digest, content.sizeBytes))) return null;
  const path = `${wanted.scratch}/earlier-${wanted.output}`;
  const put = await cache.restore(content, path, 'shared');
  if (!put.ok) return null;
  return {
    output: { path, content, layers: [path] },
    layers: (option) => earlierLayers(session, latest, option, `${wanted.scratch}/earlier-${option}`),
  };
}

/** The layers that stood behind an option; null when it was none, or one of them is gone or damaged. */
async function earlierLayers(
  { cache, host }: Session,
  { manifest, layered = {} }: ActionResult,
  option: string,
  place: string,
): Promise<StagedInput | null> {
  const value = manifest.options[option];
  const digest = value !== null && typeof value === 'object' ? (value as JsonObject)['artifact'] : undefined;
  if (typeof digest !== 'string' || !isDigest(digest)) return null;
  const layers = layered[digest];
  if (layers === undefined || layersDigest(layers, host.hashing) !== digest) return null;
  const paths: string[] = [];
  for (const layer of layers) {
    const path = `${place}-${paths.length}`;
    const content = { type: 'file', ...layer, executable: false } as const;
    if (!(await cache.blobs.has(layer.digest, layer.sizeBytes))) return null;
    if (!(await cache.restore(content, path, 'shared')).ok) return null;
    paths.push(path);
  }
  const sizeBytes = layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  return {
    path: paths.at(-1) ?? place,
    content: { type: 'layers', digest, sizeBytes, layers },
    layers: paths,
  };
}

/** Whether two manifests differ in their inputs alone: artifacts among the options, and the content of files. */
function isSameWork(one: Manifest, other: Manifest): boolean {
  return workOf(one) === workOf(other);
}

function workOf({ inputs: _, options, ...work }: Manifest): string {
  return canonicalJson({ ...work, options: withoutArtifacts(options) } as unknown as JsonObject);
}

/** As `buildManifest` writes them. */
function withoutArtifacts(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(withoutArtifacts);
  const object = value as JsonObject;
  if (typeof object['artifact'] === 'string' && isDigest(object['artifact'])) return null;
  return Object.fromEntries(Object.entries(object).map(([name, member]) => [name, withoutArtifacts(member)]));
}
