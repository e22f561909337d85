/** Words for pipeline files that are not the YAML that bake reads. */
import type { PipelineFailure } from '../../model/failure-pipeline.ts';
import type { Texts } from '../failure-text.ts';

type YamlFailure = Extract<
  PipelineFailure,
  { readonly code: 'yaml-syntax' | 'yaml-alias' | 'yaml-tag' | 'bad-key' | 'duplicate-key' }
>;

export const yamlTexts: Texts<YamlFailure> = {
  'yaml-syntax': {
    doc: 'The file is not well-formed YAML.',
    text: (failure) => ({ summary: failure.problem, hint: failure.hint ?? null }),
  },
  'yaml-alias': {
    doc: 'An alias (`*name`) has no anchor (`&name`) before it, contains itself, or stands for too much.',
    text: (failure) => ({ summary: failure.problem }),
  },
  'yaml-tag': {
    doc: 'A value has a YAML tag (`!name`) that means nothing in a pipeline.',
    text: (failure) => ({
      summary: `the tag \`${failure.tag}\` means nothing in a pipeline`,
      hint: 'remove it, or quote the text if it begins with `!`',
    }),
  },
  'bad-key': {
    doc: 'A key of a map is not a text.',
    text: (failure) => ({ summary: failure.problem }),
  },
  'duplicate-key': {
    doc: 'A key occurs twice in a map; YAML would silently keep one of them.',
    text: (failure) => ({
      summary: `the key \`${failure.key}\` is there twice`,
      related: [{ location: failure.first, label: 'it is first set here' }],
      hint: 'remove one of the two, or rename it',
    }),
  },
};
