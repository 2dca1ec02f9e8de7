// A server of this tree for a test: started, killed, started again on the same port and data.
// It must never outlive the test, nor use a port that somebody else could want.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../../..', import.meta.url).pathname;
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const binary = process.env.SWITCHBOARD ?? join(target, 'debug', 'switchboard');

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Server {
  static async start(...flags) {
    const server = new Server();
    server.data = mkdtempSync(join(tmpdir(), 'switchboard-page-'));
    server.port = await freePort();
    server.flags = flags;
    await server.run();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  async run() {
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.data, ...this.flags];
    this.process = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.log = '';
    this.process.stderr.on('data', (data) => (this.log += data));
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
    await new Promise((resolve, reject) => {
      this.process.stdout.once('data', resolve);
      this.process.once('error', reject);
      this.process.once('exit', () => reject(new Error(`the server did not start: ${this.log}`)));
    });
  }

  /** As a crash ends it. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  /** As an upgrade ends it: what is under way is stored and answered. */
  async end() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGTERM');
    await this.ended;
  }

  async stop() {
    await this.end();
    rmSync(this.data, { recursive: true, force: true });
  }
}
