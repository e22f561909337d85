/** Tools on PATH that do what a test tells them: each call is reported over a socket and waits for its orders. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The program behind every driven tool: tells who calls it, then obeys line by line. */
const PROGRAM = `
const { connect } = require('node:net');
const { createInterface } = require('node:readline');
const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const [socketPath, name, version, ...args] = process.argv.slice(2);
if (args[0] === '--version') {
  console.log(fs.readFileSync(version, 'utf8').trim());
  process.exit(0);
}
const socket = connect(socketPath);
socket.on('error', () => process.exit(97));
socket.write(JSON.stringify({ name, args, cwd: process.cwd(), env: process.env, pid: process.pid }) + '\\n');
const lines = createInterface({ input: socket });
lines.on('line', (line) => {
  const order = JSON.parse(line);
  if (order.print !== undefined) process.stdout.write(order.print);
  if (order.write !== undefined) {
    fs.mkdirSync(path.dirname(path.resolve(order.write)), { recursive: true });
    fs.writeFileSync(order.write, order.text);
  }
  if (order.ignore !== undefined) process.on(order.ignore, () => {});
  if (order.grandchild) {
    const child = spawn('/bin/sh', ['-c', 'trap "" TERM; while :; do sleep 1000; done'], { stdio: 'inherit' });
    socket.write(JSON.stringify({ pid: child.pid }) + '\\n');
  }
  if (order.exit !== undefined) { socket.end(); process.exitCode = order.exit; lines.close(); setImmediate(() => process.exit()); }
  else socket.write(JSON.stringify({ done: true }) + '\\n');
});
lines.on('close', () => { if (process.exitCode === undefined) process.exit(98); });
`;

/** One run of a tool that waits for orders. */
class Call {
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  /** Resolves when the tool has ended, however it did. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  #answers: ((line: Record<string, unknown>) => void)[] = [];

  constructor(first: Record<string, unknown>, socket: Socket, ended: Promise<void>) {
    this.name = first['name'] as string;
    this.args = first['args'] as string[];
    this.cwd = first['cwd'] as string;
    this.env = first['env'] as Record<string, string>;
    this.pid = first['pid'] as number;
    this.#socket = socket;
    this.ended = ended;
  }

  answer(line: Record<string, unknown>): void {
    this.#answers.shift()?.(line);
  }

  async print(text: string): Promise<void> {
    await this.#order({ print: text });
  }

  /** Writes a file, relative to where the tool runs. */
  async write(path: string, text: string): Promise<void> {
    await this.#order({ write: path, text });
  }

  async ignore(signal: NodeJS.Signals): Promise<void> {
    await this.#order({ ignore: signal });
  }

  /** Starts a process that does not go away by itself, nor at SIGTERM; its number. */
  async grandchild(): Promise<number> {
    const answered = new Promise<Record<string, unknown>>((done) => this.#answers.push(done));
    await this.#order({ grandchild: true });
    return (await answered)['pid'] as number;
  }

  async exit(code = 0): Promise<void> {
    this.#socket.write(`${JSON.stringify({ exit: code })}\n`);
    await this.ended;
  }

  async #order(order: Record<string, unknown>): Promise<void> {
    const answered = new Promise((done) => this.#answers.push(done));
    this.#socket.write(`${JSON.stringify(order)}\n`);
    await answered;
  }
}

/** The driven tools of one rig. */
export class DrivenTools {
  /** Goes first on PATH. */
  readonly directory: string;
  /** Names of all calls so far, in order. */
  readonly calls: Call[] = [];
  readonly #base: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #waiting: { readonly name: string; readonly take: (call: Call) => void }[] = [];
  #unclaimed: Call[] = [];

  private constructor(base: string, server: Server) {
    this.#base = base;
    this.directory = join(base, 'bin');
    this.#server = server;
    mkdirSync(this.directory, { recursive: true });
    writeFileSync(join(base, 'driven.cjs'), PROGRAM);
  }

  static async open(base: string): Promise<DrivenTools> {
    const server = createServer();
    const tools = new DrivenTools(base, server);
    server.on('connection', (socket) => tools.#meet(socket));
    await new Promise<void>((done) => server.listen(join(base, 'tools.sock'), done));
    chmodSync(join(base, 'tools.sock'), 0o777);
    return tools;
  }

  /** Puts a tool on PATH; once more with another version replaces it. */
  make(name: string, version = `${name} 1.0.0`): void {
    const versionFile = join(this.#base, `${name}.version`);
    writeFileSync(versionFile, version);
    const words = [process.execPath, join(this.#base, 'driven.cjs'), join(this.#base, 'tools.sock')];
    const quoted = [...words, name, versionFile].map((word) => `'${word}'`).join(' ');
    const file = join(this.directory, name);
    writeFileSync(file, `#!/bin/sh\n# ${version}\nexec ${quoted} "$@"\n`);
    chmodSync(file, 0o755);
  }

  /** The next call of a tool that nobody has claimed yet. */
  next(name: string): Promise<Call> {
    const at = this.#unclaimed.findIndex((call) => call.name === name);
    if (at >= 0) return Promise.resolve(this.#unclaimed.splice(at, 1)[0] as Call);
    return new Promise((take) => this.#waiting.push({ name, take }));
  }

  count(name: string): number {
    return this.calls.filter((call) => call.name === name).length;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #meet(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    const ended = new Promise<void>((done) =>
      socket.on('close', () => {
        this.#sockets.delete(socket);
        done();
      }),
    );
    let call: Call | null = null;
    createInterface({ input: socket }).on('line', (line) => {
      const value = JSON.parse(line) as Record<string, unknown>;
      if (call !== null) return call.answer(value);
      call = new Call(value, socket, ended);
      this.calls.push(call);
      const at = this.#waiting.findIndex(({ name }) => name === call?.name);
      if (at >= 0) this.#waiting.splice(at, 1)[0]?.take(call);
      else this.#unclaimed.push(call);
    });
  }
}
