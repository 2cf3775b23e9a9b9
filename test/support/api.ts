// A real API over a store in memory, on a unix socket in a directory of its own; and hands to write what engine and hosts would.
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine, MachineId } from '../../src/model/machine.ts';
import type { UnitState } from '../../src/model/unit-state.ts';
import type { Assignment, Placement, Unit, UnitName } from '../../src/model/unit.ts';
import { createApi, type Api, type ApiOptions } from '../../src/api/server.ts';
import { decode, encode, type RecordKind, type Records } from '../../src/registry/codec.ts';
import { keysUnder, type Keys } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { MemoryStore } from '../../src/store/embedded/memory.ts';
import type { Kv } from '../../src/store/kv.ts';
import { checkAnswer } from './api-answers.ts';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into answers of every shape
}

/** Never aborts. */
export const forever: AbortSignal = new AbortController().signal;

/** Machine ids that differ in their first digits. */
export function machineId(n: number): MachineId {
  return n.toString(16).padStart(4, '0').padEnd(32, '0') as MachineId;
}

export class ApiFixture {
  readonly kv: Kv;
  readonly keys: Keys = keysUnder('/test/');
  readonly logged: { fields: object; message: string }[] = [];
  readonly path: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'fleet-api-'));
  #api: Api | undefined;

  constructor(kv: Kv = new MemoryStore({ clock: systemClock })) {
    this.kv = kv;
    this.path = join(this.#directory, 'fleet.sock');
  }

  /** Starts the API on its socket. */
  async start(options: Partial<ApiOptions> = {}): Promise<this> {
    const note = (fields: object, message: string): void =>
      void this.logged.push({ fields, message });
    this.#api = await createApi({
      kv: this.kv,
      keys: this.keys,
      log: { info: note, warn: note, error: note },
      version: '2.0.0',
      tokenLimit: 100,
      clock: systemClock,
      ...options,
    });
    await this.#api.listen({ path: this.path });
    return this;
  }

  get api(): Api {
    if (this.#api === undefined) throw new Error('not started');
    return this.#api;
  }

  async stop(): Promise<void> {
    await this.#api?.close();
    await this.kv.close();
    rmSync(this.#directory, { recursive: true });
  }

  /** Opens a request and answers when the head of the response is there. */
  open(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<IncomingMessage> {
    const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
    const sent = raw ? body : JSON.stringify(body);
    const type: Record<string, string> =
      sent === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { socketPath: this.path, method, path, headers: { ...type, ...headers }, agent: false },
        resolve,
      );
      request.once('error', reject);
      request.end(sent);
    });
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const response = await this.open(method, path, body, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    let json: unknown;
    if (response.headers['content-type'] === 'application/json' && text !== '')
      json = JSON.parse(text);
    checkAnswer(method, path, response.statusCode ?? 0, json);
    return { status: response.statusCode ?? 0, headers: response.headers, text, json };
  }

  get(path: string): Promise<Reply> {
    return this.call('GET', path);
  }

  async put<K extends RecordKind>(kind: K, key: string, record: Records[K]): Promise<void> {
    await this.putRaw(key, encode(kind, record));
  }

  async putRaw(key: string, value: string): Promise<void> {
    await this.kv.txn({ then: [{ kind: 'put', key, value }] }, forever);
  }

  async remove(key: string): Promise<void> {
    await this.kv.txn({ then: [{ kind: 'delete', key }] }, forever);
  }

  /** All at once. */
  async removeAll(keys: readonly string[]): Promise<void> {
    await this.kv.txn({ then: keys.map((key) => ({ kind: 'delete', key })) }, forever);
  }

  async read<K extends RecordKind>(kind: K, key: string): Promise<Records[K] | undefined> {
    const { gets } = await this.kv.txn({ then: [{ kind: 'get', key }] }, forever);
    return gets[0] === undefined ? undefined : decode(kind, key, gets[0].value);
  }

  /** A machine that is present. */
  async machine(id: MachineId, fields: Partial<Machine> = {}): Promise<void> {
    const machine: Machine = {
      id,
      primaryIp: '10.0.0.1',
      hostname: 'host',
      metadata: {},
      version: '2.0.0',
      capacity: { cpus: 2, memoryBytes: 1 },
      capabilities: {},
      ttlSec: 30,
      incarnation: 'boot1',
      nonce: 'n',
      leaving: false,
      ...fields,
    };
    await this.put('machine', this.keys.machine(id), machine);
  }

  /** What the engine does: places the unit as it is now. */
  async place(name: string, machine: MachineId): Promise<void> {
    const unitName = name as UnitName;
    const unit = await this.read('unit', this.keys.unit(unitName));
    if (unit === undefined) throw new Error(`no unit '${name}'`);
    const placed: Placement = {
      name: unitName,
      machine,
      generation: unit.generation,
      hash: unit.hash,
      release: false,
    };
    const assignment = assignmentOf(unit, machine);
    await this.put('placement', this.keys.placed(unitName), placed);
    await this.put('assignment', this.keys.schedule(machine, unitName), assignment);
  }

  /** What a host reports. */
  async report(name: string, machine: MachineId, fields: Partial<UnitState> = {}): Promise<void> {
    const unitName = name as UnitName;
    const unit = await this.read('unit', this.keys.unit(unitName));
    const state: UnitState = {
      name: unitName,
      machine,
      hash: unit?.hash ?? '',
      generation: unit?.generation ?? 0,
      loadState: 'loaded',
      activeState: 'active',
      subState: 'running',
      incarnation: 'boot1',
      ...fields,
    };
    await this.put('state', this.keys.state(unitName, machine), state);
  }
}

function assignmentOf(unit: Unit, machine: MachineId): Assignment {
  const { name, hash, sha256, desiredState, generation, options } = unit;
  return { name, hash, sha256, desiredState, generation, options, machine, release: false };
}
