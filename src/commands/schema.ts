/** `bake schema`: the JSON Schema of pipeline files. */
import { pipelineSchema } from '../pipeline/json-schema.ts';
import { stageKinds } from '../stages/index.ts';
import type { CommandModule } from './command.ts';

export const run: CommandModule['run'] = async (invocation) => {
  invocation.write(`${JSON.stringify(pipelineSchema(stageKinds()), null, 2)}\n`);
  return 0;
};
