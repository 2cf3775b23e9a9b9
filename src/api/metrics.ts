// GET /metrics in Prometheus' text format: what fleetd serves, and what it could not read.

/** What goes up and down: read when somebody asks. */
export interface Gauge {
  readonly help: string;
  readonly value: () => number;
}

/** The counters of one API. */
export class Metrics {
  readonly #version: string;
  readonly #requests = new Map<string, number>();
  readonly #units = new Map<number, number>();
  readonly #gauges: Readonly<Record<string, Gauge>>;
  #unreadable = 0;

  /** `gauges` by name. */
  constructor(version: string, gauges: Readonly<Record<string, Gauge>>) {
    this.#version = version;
    this.#gauges = gauges;
  }

  countRequest(method: string, route: string, status: number): void {
    const labels = `method="${escaped(method)}",route="${escaped(route)}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  countUnit(status: number): void {
    this.#units.set(status, (this.#units.get(status) ?? 0) + 1);
  }

  countUnreadable(): void {
    this.#unreadable += 1;
  }

  /** The text that Prometheus reads. */
  text(): string {
    const lines = [
      '# HELP fleet_build_info The version of fleetd.',
      '# TYPE fleet_build_info gauge',
      `fleet_build_info{version="${escaped(this.#version)}"} 1`,
      '# HELP fleet_http_requests_total Requests of the API that were answered.',
      '# TYPE fleet_http_requests_total counter',
      ...[...this.#requests].map(
        ([labels, count]) => `fleet_http_requests_total{${labels}} ${count}`,
      ),
      '# HELP fleet_http_units_total Units that were asked for in POST /fleet/v2/units, by what became of each.',
      '# TYPE fleet_http_units_total counter',
      ...[...this.#units].map(
        ([status, count]) => `fleet_http_units_total{status="${status}"} ${count}`,
      ),
      '# HELP fleet_registry_unreadable_records_total Reads of records that could not be decoded.',
      '# TYPE fleet_registry_unreadable_records_total counter',
      `fleet_registry_unreadable_records_total ${this.#unreadable}`,
      ...Object.entries(this.#gauges).flatMap(([name, { help, value }]) => [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} gauge`,
        `${name} ${value()}`,
      ]),
    ];
    return `${lines.join('\n')}\n`;
  }
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
