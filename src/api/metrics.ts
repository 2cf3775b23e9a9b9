// GET /metrics in Prometheus' text format: what fleetd serves, and what it could not read.

/** The counters of one API. */
export class Metrics {
  readonly #version: string;
  readonly #requests = new Map<string, number>();
  #unreadable = 0;

  constructor(version: string) {
    this.#version = version;
  }

  countRequest(method: string, route: string, status: number): void {
    const labels = `method="${escaped(method)}",route="${escaped(route)}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
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
      '# HELP fleet_registry_unreadable_records_total Reads of records that could not be decoded.',
      '# TYPE fleet_registry_unreadable_records_total counter',
      `fleet_registry_unreadable_records_total ${this.#unreadable}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
