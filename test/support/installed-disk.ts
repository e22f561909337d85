/** The disk that the default pipeline installs, for tests with real machines: made once, by the kind that installs. */
import { existsSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { qemuInstallStage } from '../../src/stages/qemu-install.ts';
import { installerIso } from './guest.ts';
import { stageContext } from './stage-context.ts';

/** Absolute path; nobody may write to it. Takes a minute or two the first time. */
export async function installedDisk(): Promise<string> {
  const iso = installerIso();
  const path = join(dirname(iso), 'installed.qcow2');
  if (existsSync(path)) return path;
  await using context = await stageContext({
    inputs: { iso },
    outputs: { disk: 'disk.qcow2' },
    parent: dirname(iso),
  });
  const options = qemuInstallStage.options.parse({ iso: { $file: 'iso' }, disk_size: '2GiB' });
  const done = await qemuInstallStage.run(options, context);
  if (!done.ok) throw new Error(`${JSON.stringify(done.failure)}\n${context.lines.slice(-30).join('\n')}`);
  renameSync(context.output('disk'), path);
  return path;
}
