/** Looks into the file system of a finished disk without starting it. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

export class Inside {
  readonly #partition: string;

  /** Checks the image and its file system first; `directory` takes a copy of the partition. */
  constructor(disk: string, directory: string) {
    const raw = join(directory, 'raw');
    this.#partition = join(directory, 'partition');
    execFileSync('qemu-img', ['check', '-q', disk]);
    execFileSync('qemu-img', ['convert', '-O', 'raw', disk, raw]);
    const table = JSON.parse(execFileSync('sfdisk', ['-J', raw], { encoding: 'utf8' })) as {
      partitiontable: { partitions: { start: number }[] };
    };
    const skip = (table.partitiontable.partitions[0]?.start ?? 0) * 512;
    execFileSync('dd', [
      ...[`if=${raw}`, `of=${this.#partition}`, 'bs=1M', 'iflag=skip_bytes', `skip=${skip}`],
      ...['conv=sparse', 'status=none'],
    ]);
    rmSync(raw);
    execFileSync('e2fsck', ['-fn', this.#partition], { stdio: 'ignore' });
  }

  #ask(request: string): string {
    return execFileSync('debugfs', ['-R', request, this.#partition], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }

  read(path: string): string {
    return this.#ask(`cat ${path}`);
  }

  /** Mode in octal and owner, such as `0644 0:0`. */
  facts(path: string): string {
    const said = this.#ask(`stat ${path}`);
    const [, mode = ''] = /Mode:\s+(\d+)/.exec(said) ?? [];
    const [, user = '', group = ''] = /User:\s+(\d+)\s+Group:\s+(\d+)/.exec(said) ?? [];
    return `${mode} ${user}:${group}`;
  }

  names(path: string): readonly string[] {
    return this.#ask(`ls -p ${path}`)
      .split('\n')
      .flatMap((line) => line.split('/')[5] ?? [])
      .filter((name) => name !== '' && name !== '.' && name !== '..');
  }
}
