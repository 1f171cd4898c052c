// How many requests the server answers, and what they cost, beside the sample that it replaces and beside the least
// that a server can do: an axum hello-world. The sample is Global Payments' own, Flask under gunicorn, as its README
// describes it.
//
//   npm run load                          everything, at 1, 16, 64 and 256 clients
//   npm run load -- --clients 64          only with so many clients; several separated by commas
//   npm run load -- --only session        only what has this in its name
//   npm run load -- --rounds 5            how often each is measured (3), and for how long (2 s)
//   npm run load -- --seconds 1
//   npm run load -- --database postgres   the server on a PostgreSQL of its own, and not on SQLite
//   npm run load -- --database postgres --instances 1,2,3
//                                         so many servers on one database each; every request takes the next of them
//   npm run load -- --short               unoptimised programs and few requests: whether everything works, not how fast
//   npm run load -- --json                [{ name, clients, requests_per_second, cpu_us, … }]
//
// Clients are in a closed loop over connections that stay open, and each answer is checked: a wrong one fails the run.
// All servers are up at the same time and take turns, so a slow moment of the machine affects all of them. Processor
// time is that of the server's processes with their workers; of a PostgreSQL beside it, its own.

import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { installed, run } from '../tests/install.mjs';
import {
  charge,
  DATABASES,
  FILES,
  firstLine,
  IDS,
  median,
  merchant,
  openSession,
  options,
  pause,
  table,
  tokenize,
  withPrograms,
} from './load-shared.mjs';
import { ask, freePort, main, must, root, Stop, say } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';

const USAGE =
  'usage: npm run load -- [--database sqlite|postgres] [--instances N[,N…]] [--clients N[,N…]] [--only NAME] ' +
  '[--rounds N] [--seconds N] [--short] [--json]';
const CLIENTS = [1, 16, 64, 256];
const SHORT_CLIENTS = [1, 16];
const ROUNDS = 3;
const SECONDS = 2;
const WARM_UP = 0.3;
/** In the short form, each client makes so many requests. */
const SHORT_REQUESTS = 3;
const CONNECTIONS = 5000;
const SHORT_CONNECTIONS = 200;
/** What the goals compare at, and several servers. */
const GOAL_CLIENTS = 64;
const STORED_CARDS = 24;
const SLOW_FSYNC_US = 2000;
const SLOW_DISK = 'charge, 2 ms disk';
const CUSTOMER = 'customer-with-cards';
/** What several servers are measured with. */
const SHARED = ['session gp_api', 'charge', 'tokenize', 'show payment', 'list of payments'];
const NAMES = {
  charge: 'charge',
  session: (id) => `session ${id}`,
  sample: (workers, route) => `sample, ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${route}`,
  hello: 'hello world',
};
const MB = 1e6;
const LINUX = process.platform === 'linux';

main(async () => {
  const wanted = options(
    process.argv.slice(2),
    {
      database: DATABASES,
      instances: [/^[1-9](,[1-9])*$/, (text) => text.split(',').map(Number)],
      clients: [/^[1-9]\d{0,3}(,[1-9]\d{0,3})*$/, (text) => text.split(',').map(Number)],
      only: [/./, String],
      rounds: [/^[1-9]\d?$/, Number],
      seconds: [/^\d+(\.\d+)?$/, Number],
      short: true,
      json: true,
    },
    USAGE,
  );
  if (wanted.instances && wanted.database !== 'postgres') {
    throw new Stop('Several servers share a PostgreSQL database: add `--database postgres`.');
  }
  await ensure(wanted.instances ? TO_BUILD : [...TO_BUILD, 'python']);
  const chosen = { release: !wanted.short, database: wanted.database };
  const rows = await withPrograms('load', chosen, async (programs) =>
    wanted.instances ? shared(programs, wanted) : measured(programs, await sampleFolder(), wanted),
  );
  process.stdout.write(wanted.json ? `${JSON.stringify(rows)}\n` : text(rows));
  return 0;
});

/** The sample with what it needs, installed once. */
function sampleFolder() {
  const from = path.join(root, 'scripts', 'load-sample');
  return installed('load-sample', from, ['requirements.txt', 'server.py'], async (folder) => {
    say('Installing Flask and gunicorn, once.');
    const venv = path.join(folder, 'venv');
    await run('python3', ['-m', 'venv', venv]);
    const pip = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement'];
    await run(path.join(venv, 'bin', 'pip'), [...pip, path.join(folder, 'requirements.txt')]);
  });
}

async function measured(programs, sample, wanted) {
  const { clients, only = '', short } = wanted;
  const counts = clients ?? (short ? SHORT_CLIENTS : CLIENTS);
  const sandbox = await programs.sandbox();
  const settings = sandbox.server_settings;
  const loader = programs.loader();
  const server = await programs.server({ name: 'server', settings });
  const { hello, samples } = await others(programs, sample, settings.gp_api);
  // What makes the disk slow is loaded into the server's process, and PostgreSQL has its own.
  const slow = LINUX && programs.databases.kind === 'sqlite' && (await slowServer(programs, settings));
  const all = await everything(loader, { server, slow, hello, samples });
  const chosen = all.filter(({ name }) => name.includes(only));

  const rows = await inTurns({ programs, loader, sandbox }, chosen, counts, wanted);
  for (const { name, p50_us: latency } of rows) {
    if (name === SLOW_DISK && latency < SLOW_FSYNC_US) throw new Stop('The slow disk was as fast as the other.');
  }
  if (LINUX) {
    const held = short ? SHORT_CONNECTIONS : CONNECTIONS;
    rows.push(...(await memory(programs, loader, settings, held)).filter(({ name }) => name.includes(only)));
  }
  return [...rows, ...goals(rows, !short)];
}

/** Several servers on one database, each number of them on a database of its own. */
async function shared(programs, wanted) {
  const { instances, clients, only, short } = wanted;
  const counts = clients ?? (short ? SHORT_CLIENTS : [GOAL_CLIENTS]);
  const sandbox = await programs.sandbox();
  const settings = sandbox.server_settings;
  const loader = programs.loader();
  const all = [];
  for (const count of instances) {
    const database = programs.databases.create(`instances-${count}`);
    const servers = [];
    for (let number = 1; number <= count; number += 1) {
      servers.push(await programs.server({ name: `server-${count}-${number}`, settings, database }));
    }
    const [one] = servers;
    const hosts = servers.map(({ url }) => url.slice('http://'.length));
    const group = {
      url: `http://${hosts.join(',')}`,
      pid: servers.map(({ pid }) => pid),
      merchant: (...call) => one.merchant(...call),
    };
    const jobs = await ofServer(loader, group);
    all.push(...jobs.map((job) => ({ ...job, instances: count })));
  }
  const chosen = all.filter(({ name }) => (only ? name.includes(only) : SHARED.includes(name)));
  return inTurns({ programs, loader, sandbox }, chosen, counts, wanted);
}

/** Each job with each number of clients, in turns. */
async function inTurns({ programs, loader, sandbox }, chosen, counts, { rounds, seconds = SECONDS, short }) {
  const runs = new Map();
  const key = ({ name, instances }, count) => `${count} ${instances} ${name}`;
  const { pid: database } = programs.databases;
  for (let round = 1; round <= (rounds ?? (short ? 1 : ROUNDS)); round += 1) {
    for (const count of counts) {
      say(`Round ${round}, ${count} ${count === 1 ? 'client' : 'clients'}.`);
      for (const measure of chosen) {
        const extent = short ? { count: count * SHORT_REQUESTS } : { seconds, warm_up: WARM_UP };
        const processes = { server: measure.pid, sandbox: sandbox.pid, ...(database && { database }) };
        const result = await loader.run({ ...measure.job, clients: count, ...extent }, processes);
        runs.set(key(measure, count), [...(runs.get(key(measure, count)) ?? []), result]);
      }
    }
  }
  return chosen.flatMap((measure) => counts.map((count) => summary(measure, count, runs.get(key(measure, count)))));
}

/** The least that a server can do, and the sample with one worker and with two. */
async function others(programs, sample, { base_url: base, app_id: id, app_key: key }) {
  const child = programs.start('hello', programs.binary('cardseal-load'), ['hello']);
  const hello = { pid: child.pid, url: (await firstLine(child)).url };
  // It keeps files beside itself.
  const folder = path.join(programs.folder, 'sample');
  mkdirSync(folder);
  cpSync(path.join(sample, 'server.py'), path.join(folder, 'server.py'));
  const env = { GP_API_BASE_URL: base, GP_API_APP_ID: id, GP_API_APP_KEY: key, PYTHONDONTWRITEBYTECODE: '1' };
  const start = async (workers) => {
    const port = await freePort();
    const args = ['--chdir', folder, '--workers', `${workers}`, '--bind', `127.0.0.1:${port}`, 'server:app'];
    const process = programs.start(`sample-${workers}`, path.join(sample, 'venv', 'bin', 'gunicorn'), args, env);
    const url = `http://127.0.0.1:${port}`;
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`${url}/config`).catch(() => null);
      if (answer?.ok) return { workers, base, pid: process.pid, url };
      if (process.exitCode !== null || tries > 400) throw new Stop(`The sample did not start:\n${process.log()}`);
      await pause(50);
    }
  };
  return { hello, samples: [await start(1), await start(2)] };
}

/** A server whose disk takes 2 ms longer for each fsync. */
async function slowServer(programs, settings) {
  const library = path.join(programs.folder, 'slow_fsync.so');
  const source = path.join(root, 'tools', 'load', 'slow_fsync.c');
  await must('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', library, source, '-ldl']);
  return programs.server({ name: 'server-slow-disk', settings, env: { LD_PRELOAD: library } });
}

/** What a server is measured with: a name, the process, and the requests. */
async function ofServer(loader, server) {
  const { pid } = server;
  const stored = await cards(loader, server);
  // So that there is a whole page of payments, too.
  await loader.run({ clients: 4, count: STORED_CARDS, rows: stored, steps: [charge(server)] }, {});
  const { data: payments } = await server.merchant('GET', '/v1/payments?limit=100');
  const list = (name, route) => ({
    name,
    pid,
    job: { steps: [merchant(server, name, 'GET', route, { has: ['/data/0/id', '/data/19/id'] })] },
  });
  const config = { status: 200, equals: { '/success': true }, has: ['/data/accessToken'] };
  const shown = { has: ['/id'], equals: { '/status': 'approved' } };
  return [
    ...IDS.map((id) => ({ name: NAMES.session(id), pid, job: { steps: [openSession(server, id)] } })),
    { name: 'config', pid, job: { steps: [merchant(server, 'config', 'GET', '/config', config)] } },
    { name: NAMES.charge, pid, job: { rows: stored, steps: [charge(server)] } },
    { name: 'tokenize', pid, job: { steps: await tokenize(server) } },
    {
      name: 'show payment',
      pid,
      job: {
        rows: payments.map(({ id }) => ({ payment: id })),
        steps: [merchant(server, 'show payment', 'GET', '/v1/payments/{{payment}}', shown)],
      },
    },
    list('list of tokens', '/v1/tokens'),
    list("list of a customer's tokens", `/v1/tokens?customer=${CUSTOMER}`),
    list('list of payments', '/v1/payments'),
  ];
}

/** Cards that a server has stored. */
async function cards(loader, server) {
  const job = { clients: 4, count: STORED_CARDS, steps: await tokenize(server) };
  job.steps[0] = openSession(server, 'gp_api', { customer: CUSTOMER });
  job.steps[0].save = { session: '/id', access: '/access_token', reference: '/reference' };
  await loader.run(job, {});
  const { data } = await server.merchant('GET', `/v1/tokens?limit=100&customer=${CUSTOMER}`);
  return data.map(({ id }) => ({ token: id }));
}

/** What is measured: a name, the process, and the requests. */
async function everything(loader, { server, slow, hello, samples }) {
  const flask = await Promise.all(
    samples.map(async (sample) => {
      const id = await networkToken(sample);
      const body = JSON.stringify({ pmt_id: id, amount: 12.34, currency: 'USD' });
      const json = { 'content-type': 'application/json' };
      const answer = { status: 200, equals: { '/success': true } };
      const route = (name, method, step) => ({
        name: NAMES.sample(sample.workers, name),
        pid: sample.pid,
        job: { steps: [{ name, method, url: sample.url + name, ...answer, ...step }] },
      });
      return [
        route('/config', 'GET', { has: ['/data/accessToken'] }),
        route('/process-payment', 'POST', { headers: json, body, has: ['/data/transactionId'] }),
      ];
    }),
  );
  return [
    ...(await ofServer(loader, server)),
    ...(slow ? [await slowCharge(loader, slow)] : []),
    ...flask.flat(),
    { name: NAMES.hello, pid: hello.pid, job: { steps: [plain(hello)] } },
  ];
}

const slowCharge = async (loader, slow) => ({
  name: SLOW_DISK,
  pid: slow.pid,
  job: { rows: await cards(loader, slow), steps: [charge(slow)] },
});

const plain = ({ url }) => ({ name: NAMES.hello, method: 'GET', url: `${url}/`, status: 200 });

/** A card that the sample has stored, as its page does it. */
async function networkToken({ url, base }) {
  const { GpApi } = await import('../pkg/node.js');
  const call = async (method, route, body) => {
    const response = await fetch(url + route, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!answer.success) throw new Stop(`The sample answered ${method} ${route} with ${JSON.stringify(answer)}`);
    return answer.data;
  };
  const { accessToken: access } = await call('GET', '/config');
  const client = new GpApi({ environment: { base } });
  const card = { number: '4263970000005262', expiry: '12/2035', cvc: '123' };
  const { raw } = await client.tokenize({ access_token: access }, card);
  return (await call('POST', '/create-network-token', { payment_reference: raw.id })).id;
}

function summary({ name, instances }, clients, runs) {
  const all = (field) => runs.map((one) => one[field]);
  const database = runs.map((one) => one.cpu_us.database).filter((one) => one !== undefined);
  const cpu = runs.map((one) => one.cpu_us.server).filter((one) => one !== undefined);
  const round = (value, digits = 1) => (value === undefined ? null : Number(value.toFixed(digits)));
  return {
    name,
    ...(instances && { instances }),
    clients,
    requests_per_second: round(median(all('requests_per_second'))),
    requests_per_second_best: round(Math.max(...all('requests_per_second'))),
    cpu_us: cpu.length > 0 ? round(median(cpu)) : null,
    cpu_us_min: cpu.length > 0 ? round(Math.min(...cpu)) : null,
    p50_us: round(median(all('p50_us')), 0),
    p99_us: round(median(all('p99_us')), 0),
    max_us: Math.max(...all('max_us')),
    ...(database.length > 0 && { database_cpu_us: round(median(database)) }),
    sandbox_cpu_us: cpu.length > 0 ? round(median(runs.map((one) => one.cpu_us.sandbox))) : null,
    rss_bytes: runs.at(-1).rss_bytes.server ?? null,
    requests: all('requests').reduce((sum, one) => sum + one, 0),
    rounds: runs.length,
  };
}

/** A new server at rest, and with many connections that have made one request each. */
async function memory(programs, loader, settings, connections) {
  const hard = Number(ask('sh', ['-c', 'ulimit -Hn'])) || FILES;
  if (hard < FILES) {
    say(`This user may open ${hard} files; ${connections} connections need ${FILES}.`);
    return [];
  }
  const server = await programs.server({ name: 'server-connections', settings });
  const step = openSession(server, 'gp_api');
  const { pid } = server;
  const held = await loader.job({ job: 'connections', count: connections, process: pid, step });
  await server.stop();
  const row = (name, clients, rss) => ({ name, clients, requests_per_second: null, cpu_us: null, rss_bytes: rss });
  if (held.connections !== connections) {
    throw new Stop(`The server closed ${connections - held.connections} of ${connections} connections.`);
  }
  return [
    row('memory at rest', 0, held.rss_before_bytes),
    row('memory, connections', held.connections, held.rss_bytes),
  ];
}

/** What was set as a goal, from the rows that were measured. Programs that are not optimised are not judged. */
function goals(rows, judged) {
  const counts = [...new Set(rows.map(({ clients, rounds }) => (rounds ? clients : 0)))];
  const clients = counts.includes(GOAL_CLIENTS) ? GOAL_CLIENTS : Math.max(...counts);
  const at = (name) => rows.find((row) => row.name === name && (row.clients === clients || !row.rounds));
  const ratio = (name, over, field) => at(name)?.[field] / at(over)?.[field];
  const [one, two] = [1, 2].map((workers) => (route) => NAMES.sample(workers, route));
  const [session, charged] = [NAMES.session('gp_api'), NAMES.charge];
  const list = [
    ['session, processor time of the sample', ratio(session, one('/config'), 'cpu_us'), 'at most', 1 / 8],
    ['session, requests of the sample', ratio(session, two('/config'), 'requests_per_second'), 'at least', 5],
    ['charge, processor time of the sample', ratio(charged, one('/process-payment'), 'cpu_us'), 'at most', 1 / 3],
    ['charge, requests of the sample', ratio(charged, two('/process-payment'), 'requests_per_second'), 'at least', 3],
    [`${SLOW_DISK}, requests`, at(SLOW_DISK)?.requests_per_second, 'at least', 1550],
    ['memory at rest, MB', at('memory at rest')?.rss_bytes / MB, 'at most', 15],
    ['memory, connections, MB', at('memory, connections')?.rss_bytes / MB, 'at most', 60],
  ];
  return list
    .filter(([, value]) => Number.isFinite(value))
    .map(([name, value, kind, goal]) => ({
      name: `goal: ${name}`,
      clients: name.startsWith('memory') ? at(name.replace(', MB', '')).clients : clients,
      requests_per_second: null,
      cpu_us: null,
      value: Number(value.toFixed(3)),
      goal: `${kind} ${Number(goal.toFixed(3))}`,
      met: judged ? (kind === 'at most' ? value <= goal : value >= goal) : null,
    }));
}

function text(rows) {
  const part = (of) => rows.filter(of);
  const ms = (us) => (us / 1000).toFixed(2);
  const mb = (bytes) => (bytes === null ? '' : (bytes / MB).toFixed(1));
  const whole = (value) => (value === null ? '' : Math.round(value));
  const columns = [
    ['', ({ name }) => name],
    ['instances', ({ instances }) => instances],
    ['clients', ({ clients }) => clients],
    ['requests/s', (row) => whole(row.requests_per_second)],
    ['best', (row) => whole(row.requests_per_second_best)],
    ['CPU µs', (row) => whole(row.cpu_us)],
    ['least', (row) => whole(row.cpu_us_min)],
    ['database µs', ({ database_cpu_us: us }) => us && whole(us)],
    ['p50 ms', (row) => ms(row.p50_us)],
    ['p99 ms', (row) => ms(row.p99_us)],
    ['max ms', (row) => ms(row.max_us)],
    ['RSS MB', (row) => mb(row.rss_bytes)],
  ];
  const measured = part(({ rounds }) => rounds);
  // Not every run has all of them.
  const used = columns.filter(([, show]) => measured.some((row) => show(row) !== undefined));
  const head = used.map(([name]) => name);
  const runs = measured.map((row) => used.map(([, show]) => show(row)));
  const sizes = part(({ rounds, goal }) => !rounds && !goal).map((row) => [row.name, row.clients, mb(row.rss_bytes)]);
  const verdicts = part(({ goal }) => goal).map((row) => [
    row.name.replace('goal: ', ''),
    row.clients,
    row.value,
    row.goal,
    row.met === null ? 'not judged' : row.met ? 'met' : 'MISSED',
  ]);
  return [
    table(head, runs),
    ...(sizes.length > 0 ? [table(['', 'connections', 'RSS MB'], sizes)] : []),
    ...(verdicts.length > 0 ? [table(['', 'clients', 'measured', 'goal', ''], verdicts)] : []),
  ].join('\n');
}
