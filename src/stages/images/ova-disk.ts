/** The first disk of an appliance, found by its descriptor: the archive is read where it lies, and no name in it is ever opened. */
import { viewAt } from '../../formats/disk-view.ts';
import { listTar, type TarMember } from '../../formats/tar.ts';
import type { ByteSource } from '../../model/bytes.ts';
import type { Result } from '../../model/result.ts';
import { fail, ok } from '../../model/result.ts';

const MOST_DESCRIPTOR_BYTES = 4 * 2 ** 20;

/** Where the disk lies. The failure is the rest of a sentence about the archive. */
export async function diskInOva(source: ByteSource): Promise<Result<TarMember, string>> {
  const members = await listTar(source);
  if (!members.ok) return members;
  const descriptor = members.value.find(({ name }) => name.toLowerCase().endsWith('.ovf'));
  if (descriptor === undefined) return onlyDisk(members.value);
  if (descriptor.sizeBytes > MOST_DESCRIPTOR_BYTES) return fail('has an OVF descriptor that is too large');
  const view = await viewAt(source, descriptor.offset, descriptor.sizeBytes);
  const href = firstDisk(Buffer.from(view.buffer).toString('utf8'), members.value);
  if (!href.ok) return href;
  if (href.value === null) return onlyDisk(members.value);
  const plain = (name: string) => name.replace(/^\.\//, '');
  const member = members.value.find(({ name }) => plain(name) === href.value);
  return member === undefined
    ? fail(`refers to ${JSON.stringify(href.value)}, which is not in it`)
    : ok(member);
}

/** The one that can be meant where no descriptor says it. */
function onlyDisk(members: readonly TarMember[]): Result<TarMember, string> {
  const [disk, another] = members.filter(({ name }) => name.endsWith('.vmdk'));
  return disk === undefined || another !== undefined
    ? fail('is a tar archive without an OVF descriptor that names its disk')
    : ok(disk);
}

/**
 * The name of the file behind the first disk; null when the descriptor speaks of no files. Every file that it refers to must
 * be one of the archive's own.
 */
function firstDisk(text: string, members: readonly TarMember[]): Result<string | null, string> {
  if (/<!DOCTYPE|<!ENTITY/i.test(text)) return fail('has an OVF descriptor that defines entities');
  const plain = withoutComments(text);
  const files = filesOf(plain, new Set(members.map(({ name }) => name.replace(/^\.\//, ''))));
  if (!files.ok) return files;
  for (const attributes of elements(plain, 'Disk')) {
    if (attribute(attributes, 'parentRef') !== null) return fail('holds a disk that rests on another one');
    const file = attribute(attributes, 'fileRef');
    if (file === null) continue;
    const href = files.value.get(file);
    return href === undefined
      ? fail(`has an OVF descriptor with a disk of no file: ${JSON.stringify(file)}`)
      : ok(href);
  }
  return files.value.size === 0 ? ok(null) : fail('holds no disk');
}

/** Names of the files that the descriptor speaks of, by their identifiers. */
function filesOf(text: string, names: ReadonlySet<string>): Result<ReadonlyMap<string, string>, string> {
  const files = new Map<string, string>();
  for (const attributes of elements(text, 'File')) {
    const [id, href] = [attribute(attributes, 'id'), attribute(attributes, 'href')];
    if (id === null || href === null) return fail('has an OVF descriptor with a file that has no name');
    if (!names.has(href)) return fail(`refers to ${JSON.stringify(href)}, which is not in it`);
    if ((attribute(attributes, 'compression') ?? 'identity') !== 'identity')
      return fail(
        `holds ${JSON.stringify(href)} compressed once more; unpack it, and pack it again as it is`,
      );
    if (attribute(attributes, 'chunkSize') !== null) return fail(`holds ${JSON.stringify(href)} in pieces`);
    if (files.has(id)) return fail(`has an OVF descriptor with the file ${JSON.stringify(id)} twice`);
    files.set(id, href);
  }
  return ok(files);
}

/** In one pass, however many comments begin and never end. */
function withoutComments(text: string): string {
  const kept: string[] = [];
  for (let at = 0; ; ) {
    const from = text.indexOf('<!--', at);
    const to = from < 0 ? -1 : text.indexOf('-->', from + 4);
    if (to < 0) return [...kept, text.slice(at, from < 0 ? undefined : from)].join('');
    kept.push(text.slice(at, from));
    at = to + 3;
  }
}

/** The text of the attributes of each element of that name, with any prefix. */
function elements(text: string, name: string): readonly string[] {
  const tag = new RegExp(`<(?:[\\w.-]+:)?${name}((?:\\s[^<>]*)?)>`, 'g');
  return [...text.matchAll(tag)].map((match) => match[1] ?? '');
}

/** With the few entities that XML knows by itself. */
function attribute(attributes: string, name: string): string | null {
  const found = new RegExp(`\\s(?:[\\w.-]+:)?${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`).exec(attributes);
  const text = found?.[1] ?? found?.[2];
  if (text === undefined) return null;
  return text
    .replace(
      /&(lt|gt|quot|apos|#x?[0-9a-f]+);/gi,
      (whole, entity: string) => ENTITIES[entity.toLowerCase()] ?? whole,
    )
    .replaceAll('&amp;', '&');
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'" };
