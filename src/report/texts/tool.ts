/** Words for tools that this host lacks. */
import type { ToolFailure } from '../../model/failure-tool.ts';
import type { Texts } from '../failure-text.ts';

export const toolTexts: Texts<ToolFailure> = {
  'tool-missing': {
    doc: 'A tool whose version belongs to a fingerprint is not on the PATH.',
    text: (failure) => ({
      summary: `the tool \`${failure.tool}\` is not installed, or not on the PATH`,
      details: [`needed by: ${failure.stages.slice(0, 8).join(', ')}`],
      hint:
        failure.package === null
          ? '`bake doctor` lists what is missing on this host'
          : `install the package \`${failure.package}\` (\`apt-get install ${failure.package}\`)`,
      state: 'nothing was run',
    }),
  },
};
