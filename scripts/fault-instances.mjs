// Several servers on one PostgreSQL database for scripts/faults.mjs: a balancer in front that repeats what broke, what
// happens to the servers and to the database, and a shop's server that takes events.

import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { postgresPrograms, startPostgres } from './postgres.mjs';
import { freePort, Stop, say } from './project.mjs';
import { toml } from './toml.mjs';

/** Short, so that a run sees many of them end. */
const LEASE_MS = 4000;
/** A server is stopped until a neighbour has taken over, which takes a lease or two. */
const TAKES_OVER_WITHIN_MS = 60_000;
const LOOKS_EVERY_MS = 250;
/** A server that was killed stays away for a moment, as one on a new machine would. */
const AWAY_MS = 500;
const STARTS_WITHIN_MS = 60_000;
const ENDS_WITHIN_MS = 60_000;
/** A server that does not answer this is given nothing new. */
const PROBE_EVERY_MS = 500;
const PROBE_WITHIN_MS = 1500;
/** How long a request goes from one server to the next. */
const RETRY_WITHIN_MS = 30_000;
const RETRY_AFTER_MS = 50;
/** Of the events, one in so many is refused the first time, and one is taken without an answer. */
const REFUSE_EVERY = 15;
const DROP_EVERY = 40;
const LOST_LEASE = /did not renew its lease/;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Starts the database, `count` servers and what stands in front of and behind them. `program` starts a server's program;
 * `settings` are those of every server.
 */
export class Fleet {
  done = { kills: 0, rolls: 0, freezes: 0, database_stops: 0, leases_lost: 0, balancer_retries: 0 };
  broken;
  #servers;
  #database;
  #program;
  #folder;
  #closed = false;
  #next = 0;
  #agent = new http.Agent({ keepAlive: true });
  #balancer;
  #probing;

  static async start({ count, program, folder, port, settings }) {
    const fleet = new Fleet();
    fleet.#program = program;
    fleet.#folder = folder;
    fleet.#database = await startPostgres();
    const database = { url: fleet.#database.url, writers: 4, lease_ms: LEASE_MS };
    fleet.#servers = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const listen = `127.0.0.1:${await freePort()}`;
        const config = path.join(folder, `server-${index}.toml`);
        const text = toml({ ...settings, server: { ...settings.server, listen }, database });
        writeFileSync(config, text, { mode: 0o600 });
        return { index, config, url: `http://${listen}`, log: path.join(folder, `server-${index}.log`), up: false };
      }),
    );
    await Promise.all(fleet.#servers.map((server) => fleet.#open(server)));
    fleet.#balancer = http.createServer((request, response) => fleet.#balance(request, response));
    fleet.#balancer.listen(port, '127.0.0.1');
    await once(fleet.#balancer, 'listening');
    fleet.#probing = fleet.#probe();
    return fleet;
  }

  async #open(server) {
    const log = openSync(server.log, 'a');
    const child = this.#program(['--config', server.config], ['ignore', 'pipe', log], this.#folder);
    server.child = child;
    server.expected = false;
    child.on('exit', (code) => {
      server.up = false;
      if (server.expected || this.#closed || this.broken) return;
      const last = readFileSync(server.log, 'utf8').split('\n').slice(-20).join('\n');
      if (code === 1 && LOST_LEASE.test(last)) {
        this.done.leases_lost += 1;
        // As whatever watches over servers would.
        server.opening = this.#open(server);
        server.opening.catch((error) => {
          this.broken ??= error;
        });
        return;
      }
      this.broken = new Stop(`Server ${server.index} stopped unexpectedly (${code}):\n${last}`);
    });
    const late = setTimeout(() => child.kill('SIGKILL'), STARTS_WITHIN_MS);
    const over = once(child, 'exit').then(() => {
      throw new Stop(`Server ${server.index} did not start:\n${readFileSync(server.log, 'utf8').slice(-2000)}`);
    });
    over.catch(() => {});
    await Promise.race([once(createInterface({ input: child.stdout }), 'line'), over]);
    clearTimeout(late);
    server.up = true;
  }

  /** The ids of the processes that hold a lease, in the order in which they started. */
  async #instances() {
    const args = ['-Atc', 'SELECT id FROM instances ORDER BY id', this.#database.url];
    const { stdout } = await promisify(execFile)(path.join(postgresPrograms(), 'psql'), args);
    return stdout.split('\n').filter(Boolean);
  }

  async #ended(server, signal) {
    server.expected = true;
    server.up = false;
    const { child } = server;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    const late = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
    child.kill(signal);
    const [code] = await gone;
    clearTimeout(late);
    if (signal === 'SIGTERM' && code !== 0)
      throw new Stop(`Server ${server.index} ended with ${code}:\n${readFileSync(server.log, 'utf8').slice(-2000)}`);
  }

  #any() {
    return this.#servers[randomInt(this.#servers.length)];
  }

  /** One is killed, and comes back. */
  async kill() {
    const server = this.#any();
    await server.opening;
    await this.#ended(server, 'SIGKILL');
    this.done.kills += 1;
    await pause(AWAY_MS);
    await this.#open(server);
  }

  /** All are replaced, one after the other, as a new version would be brought out. */
  async roll() {
    for (const server of this.#servers) {
      await server.opening;
      await this.#ended(server, 'SIGTERM');
      await this.#open(server);
    }
    this.done.rolls += 1;
  }

  /** One is stopped for longer than its lease, and wakes: it must find that out and end. */
  async freeze() {
    const server = this.#any();
    await server.opening;
    // Started anew, so that its row is the last.
    await this.#ended(server, 'SIGTERM');
    await this.#open(server);
    const own = (await this.#instances()).at(-1);
    const { child } = server;
    const lost = this.done.leases_lost;
    const gone = once(child, 'exit');
    child.kill('SIGSTOP');
    const until = performance.now() + TAKES_OVER_WITHIN_MS;
    while ((await this.#instances()).includes(own)) {
      if (performance.now() > until) {
        child.kill('SIGKILL');
        throw new Stop(`Nobody took over what server ${server.index} left.`);
      }
      await pause(LOOKS_EVERY_MS);
    }
    child.kill('SIGCONT');
    const late = setTimeout(() => {
      this.broken ??= new Stop(`Server ${server.index} was stopped beyond its lease, and goes on.`);
      child.kill('SIGKILL');
    }, ENDS_WITHIN_MS);
    await gone;
    clearTimeout(late);
    if (this.broken) throw this.broken;
    if (this.done.leases_lost === lost) throw new Stop(`Server ${server.index} ended for another reason.`);
    await server.opening;
    this.done.freezes += 1;
  }

  /** The database ends as in a crash, and comes back. */
  async stopDatabase() {
    await this.#database.pause('SIGQUIT');
    await pause(AWAY_MS);
    await this.#database.resume();
    this.done.database_stops += 1;
  }

  async close() {
    this.#closed = true;
    await this.#probing;
    this.#balancer?.close();
    this.#balancer?.closeAllConnections();
    this.#agent.destroy();
    await Promise.all((this.#servers ?? []).map((server) => this.#ended(server, 'SIGKILL').catch(() => {})));
    await this.#database?.stop();
  }

  async #probe() {
    while (!this.#closed) {
      await Promise.all(
        this.#servers.map(async (server) => {
          const { child } = server;
          const signal = AbortSignal.timeout(PROBE_WITHIN_MS);
          const answers = await fetch(`${server.url}/livez`, { signal })
            .then(({ ok }) => ok)
            .catch(() => false);
          if (server.child === child && !server.expected) server.up = answers;
        }),
      );
      await pause(PROBE_EVERY_MS);
    }
  }

  /** To one server after the other, until one answers. What may have arrived is repeated only if it has a key. */
  async #balance(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const repeatable = request.method === 'GET' || request.headers['idempotency-key'] !== undefined;
    const until = performance.now() + RETRY_WITHIN_MS;
    while (!this.#closed && !response.destroyed) {
      const up = this.#servers.filter(({ up }) => up);
      const server = up[this.#next++ % Math.max(1, up.length)];
      if (server) {
        const tried = await this.#forward(server, request, body, response);
        if (tried === 'answered') return;
        this.done.balancer_retries += 1;
        if (tried === 'broken' && !repeatable) break;
      }
      if (performance.now() > until) break;
      await pause(RETRY_AFTER_MS);
    }
    response.destroy();
  }

  /** `refused`: it certainly did not arrive. `broken`: it may have. */
  #forward(server, { method, url, headers }, body, response) {
    return new Promise((resolve) => {
      let began = false;
      const fail = (error) => {
        if (began) {
          // The caller has a part of the answer already, and sees it break.
          response.destroy();
          return resolve('answered');
        }
        return resolve(error?.code === 'ECONNREFUSED' ? 'refused' : 'broken');
      };
      const sent = http.request(server.url + url, { method, headers, agent: this.#agent }, (answer) => {
        began = true;
        response.writeHead(answer.statusCode, answer.headers);
        answer.on('error', fail);
        answer.on('end', () => resolve('answered'));
        answer.pipe(response);
      });
      sent.on('error', fail);
      // A server that was stopped holds on to what it has: another one can say what became of it.
      const watch = setInterval(() => {
        if (!server.up && !server.expected) sent.destroy(new Error('it does not answer'));
      }, PROBE_WITHIN_MS);
      sent.on('close', () => clearInterval(watch));
      sent.end(body);
    });
  }
}

/** The shop's server for events: it refuses some, takes some without an answer, and remembers what it has taken. */
export class Receiver {
  secret = `whsec_${randomBytes(24).toString('base64')}`;
  #taken = [];
  #seen = new Set();
  #server;
  #verify;

  static async start() {
    const receiver = new Receiver();
    ({ verifyWebhook: receiver.#verify } = await import('../pkg/webhooks.js'));
    receiver.#server = http.createServer((request, response) => receiver.#take(request, response));
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    receiver.url = `http://127.0.0.1:${receiver.#server.address().port}/events`;
    return receiver;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(request, response) {
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const event = await this.#verify([this.secret], request.headers, Buffer.concat(chunks).toString());
      const first = !this.#seen.has(event.id);
      this.#seen.add(event.id);
      if (first && this.#seen.size % REFUSE_EVERY === 0) return response.writeHead(500).end();
      this.#taken.push(event.id);
      if (first && this.#seen.size % DROP_EVERY === 1) return response.destroy();
      return response.writeHead(204).end();
    } catch (error) {
      // An event that does not verify is missing at the end.
      say(`An event was refused: ${error.message}`);
      return response.writeHead(400).end();
    }
  }

  /** What was written, oldest first, against what has arrived. */
  compare(written) {
    const firsts = new Map();
    for (const [place, id] of this.#taken.entries()) if (!firsts.has(id)) firsts.set(id, place);
    const last = new Map();
    const counts = { written: written.length, missing: 0, disordered: 0, repeated: this.#taken.length - firsts.size };
    for (const { id, subject } of written) {
      const place = firsts.get(id);
      if (place === undefined) {
        counts.missing += 1;
        continue;
      }
      if (place < (last.get(subject) ?? -1)) counts.disordered += 1;
      last.set(subject, place);
    }
    return counts;
  }
}
