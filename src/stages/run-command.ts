/** What the kind `run` does, apart from its schema: a run of commands loads neither schemas nor other kinds. */
import type { StageRunner, TextOption } from './kind.ts';

export const commandRunner: StageRunner = {
  async run(options, context) {
    const { command } = options as { readonly command: TextOption | readonly TextOption[] };
    const [file, ...args] = Array.isArray(command)
      ? command.map((part: TextOption) => context.text(part))
      : ['/bin/sh', '-e', '-c', context.text(command as TextOption)];
    const done = await context.exec(file as string, args, { env: context.env });
    return done.ok ? { ok: true, value: {} } : done;
  },
};
