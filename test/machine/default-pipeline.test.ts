/** The default pipeline for real: its appliance is built, imported by hand, started on the hardware it promises, and looked at from within. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyDefault, defaultCache } from '../support/guest.ts';

const NAME_OF_ANYTHING_TEMPORARY = /bake|provision|temporary/i;

let directory: string;
let appliance: Appliance;

/** A started appliance, seen through ssh by its administrator. */
class Appliance {
  readonly #child: ReturnType<typeof spawn>;
  readonly #port: number;
  #serial = '';

  constructor(disk: string, port: number, httpPort: number) {
    this.#port = port;
    const network = `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22,hostfwd=tcp:127.0.0.1:${httpPort}-:80`;
    this.#child = spawn(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg,thread=multi', '-smp', '2', '-cpu', 'max', '-m', '512', '-display', 'none'],
        ...['-serial', 'stdio', '-no-reboot', '-device', 'virtio-rng-pci'],
        // What the OVA's descriptor says: an LSI Logic SCSI controller and an E1000.
        ...['-drive', `file=${disk},if=none,id=disk,cache=unsafe`, '-device', 'lsi53c895a'],
        ...['-device', 'scsi-hd,drive=disk', '-netdev', network, '-device', 'e1000,netdev=net'],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
  }

  /** Resolves when the serial console shows a text; rejects when the machine ends before. */
  shows(text: string): Promise<void> {
    return new Promise((done, reject) => {
      this.#child.stdout?.on('data', (chunk: Buffer) => {
        this.#serial += chunk.toString('latin1');
        if (this.#serial.includes(text)) done();
      });
      this.#child.once('close', () => reject(new Error(`it ended:\n${this.#serial.slice(-2000)}`)));
    });
  }

  ssh(command: string, options: readonly string[] = ['-l', 'admin', '-i', join(directory, 'key')]): string {
    return execFileSync(
      'ssh',
      [
        ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'LogLevel=ERROR'],
        ...['-o', 'UserKnownHostsFile=/dev/null', '-o', 'IdentitiesOnly=yes', '-p', String(this.#port)],
        ...[...options, '127.0.0.1', command],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    );
  }

  /** Whether that login is refused as it should be, by the server and for want of a key. */
  refuses(options: readonly string[]): boolean {
    try {
      this.ssh('true', options);
      return false;
    } catch (error) {
      return /Permission denied \(publickey\)/.test(String((error as { stderr: string }).stderr));
    }
  }

  async powerOff(): Promise<number | null> {
    const ended = new Promise<number | null>((done) => this.#child.once('close', done));
    try {
      this.ssh('sudo systemctl poweroff');
    } catch {
      // The connection may be gone before ssh has its answer.
    }
    return await ended;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address ? address.port : 0;
}

function bake(...args: readonly string[]): string {
  return execFileSync(process.execPath, [process.env['BAKE_TEST_PROGRAM'] as string, ...args], {
    cwd: join(directory, 'checkout'),
    env: { PATH: process.env['PATH'] as string, HOME: directory, BAKE_CACHE_DIR: defaultCache() },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

let httpPort: number;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bake-default-'));
  const checkout = join(directory, 'checkout');
  copyDefault(checkout);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'key')]);
  const key = readFileSync(join(directory, 'key.pub'), 'utf8').trim();
  bake('run', 'pipeline.yaml', '--var', `admin_key=${key}`, '--var', 'hostname=proof');
  execFileSync('tar', ['-xf', join(checkout, 'dist/tiny.ova'), '-C', directory]);
  const [vmdk] = execFileSync('tar', ['-tf', join(checkout, 'dist/tiny.ova')], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name.endsWith('.vmdk'));
  const disk = join(directory, 'started.qcow2');
  execFileSync('qemu-img', [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-b',
    join(directory, vmdk as string),
    '-F',
    'vmdk',
    disk,
  ]);
  httpPort = await freePort();
  appliance = new Appliance(disk, await freePort(), httpPort);
  await appliance.shows('proof login:');
  // Waits by itself until all services have started.
  for (let attempt = 1; ; attempt += 1) {
    try {
      appliance.ssh('systemctl is-system-running --wait || true');
      break;
    } catch (error) {
      if (attempt === 30) throw error;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}, 1_500_000);

afterAll(() => {
  appliance?.kill();
  rmSync(directory, { recursive: true, force: true });
});

describe('the default appliance', () => {
  it('starts with every service well, under its name', () => {
    expect(appliance.ssh('systemctl --failed --no-legend --plain')).toBe('');
    expect(appliance.ssh('systemctl is-system-running').trim()).toBe('running');
    expect(appliance.ssh('hostname').trim()).toBe('proof');
  });

  it('lets the administrator in by key, and to root', () => {
    expect(appliance.ssh('id -un').trim()).toBe('admin');
    expect(appliance.ssh('sudo id -u').trim()).toBe('0');
  });

  it('greets with what it is', () => {
    const motd = appliance.ssh('cat /etc/motd');
    expect(motd).toContain('tiny-appliance 1.0.0');
    expect(motd).toMatch(/Debian 12/);
    expect(motd).toMatch(/Kernel\s+6\.1\./);
  });

  it('takes keys alone, and none for root', () => {
    const settings = appliance.ssh('sudo sshd -T');
    expect(settings).toMatch(/^passwordauthentication no$/m);
    expect(settings).toMatch(/^kbdinteractiveauthentication no$/m);
    expect(settings).toMatch(/^permitrootlogin (prohibit-password|without-password|no)$/m);
    const byPassword = ['-o', 'PubkeyAuthentication=no', '-o', 'PreferredAuthentications=password'];
    expect(appliance.refuses([...byPassword, '-l', 'admin'])).toBe(true);
    expect(appliance.refuses(['-l', 'root', '-i', join(directory, 'key')])).toBe(true);
  });

  it('serves its status page', async () => {
    const answer = await fetch(`http://127.0.0.1:${httpPort}/status.json`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      product: 'tiny-appliance',
      version: '1.0.0',
      hostname: 'proof',
    });
    expect(await (await fetch(`http://127.0.0.1:${httpPort}/`)).text()).toContain(
      '<h1>tiny-appliance 1.0.0</h1>',
    );
    expect((await fetch(`http://127.0.0.1:${httpPort}/etc/passwd`)).status).toBe(404);
    expect(appliance.ssh('systemctl is-enabled status.service').trim()).toBe('enabled');
  });

  it('holds no password, and no key but the administrator’s', () => {
    const withPassword = appliance.ssh("sudo awk -F: '$2 ~ /^[$]/ { print $1 }' /etc/shadow");
    expect(withPassword).toBe('');
    const keys = appliance.ssh('sudo find / -xdev -name "authorized_keys*" -size +0').trim().split('\n');
    expect(keys).toEqual(['/home/admin/.ssh/authorized_keys']);
    const mine = readFileSync(join(directory, 'key.pub'), 'utf8').trim();
    expect(appliance.ssh('cat /home/admin/.ssh/authorized_keys').trim()).toBe(mine);
  });

  it('made its identity itself, when it was started', () => {
    expect(appliance.ssh('cat /etc/machine-id').trim()).toMatch(/^[0-9a-f]{32}$/);
    const made = appliance.ssh('sudo find /etc/ssh/ssh_host_ed25519_key /etc/machine-id -newer /etc/motd');
    expect(made.trim().split('\n')).toEqual(['/etc/ssh/ssh_host_ed25519_key', '/etc/machine-id']);
  });

  it('keeps nothing of how it was made', () => {
    const left = appliance
      .ssh('sudo find /root /tmp /var/tmp /etc/apt /home -xdev -type f')
      .trim()
      .split('\n');
    expect(left.filter((path) => NAME_OF_ANYTHING_TEMPORARY.test(path))).toEqual([]);
    expect(left.filter((path) => /^\/(var\/)?tmp\//.test(path))).toEqual([]);
    expect(left.filter((path) => path.includes('.ansible'))).toEqual([]);
    expect(appliance.ssh('cat /etc/apt/sources.list; ls /etc/apt/sources.list.d')).not.toMatch(/^deb|^URIs/m);
  });

  it('stops cleanly when it is told to', async () => {
    expect(await appliance.powerOff()).toBe(0);
  });
});

describe('the default pipeline', () => {
  it('has nothing to do the second time', () => {
    const key = readFileSync(join(directory, 'key.pub'), 'utf8').trim();
    const summary = join(directory, 'summary.json');
    bake(
      'run',
      'pipeline.yaml',
      '--var',
      `admin_key=${key}`,
      '--var',
      'hostname=proof',
      '--summary',
      summary,
    );
    const { stages } = JSON.parse(readFileSync(summary, 'utf8')) as { stages: { outcome: string }[] };
    expect(new Set(stages.map(({ outcome }) => outcome))).toEqual(new Set(['fresh']));
  });
});
