import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  readonly registry: Registry
  started(): void
  /** `route` is the pattern, never the path: the number of series stays that of the routes. */
  ended(method: string, route: string, status: number, elapsedMs: number): void
  fault(): void
}

/** Of the process, so one for all its apps; it starts with the first scrape. */
let loopDelay: ReturnType<typeof monitorEventLoopDelay> | undefined

/** A registry per app: several services run in one process, each with its own /metrics. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  const seconds = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the first header to the last byte of the answer.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers: [registry],
  })
  const running = new Gauge({ name: 'http_requests_in_flight', help: 'Requests being answered now.', registers: [registry] })
  const faults = new Counter({ name: 'http_faults_total', help: 'Answers with a status of 500 and above.', registers: [registry] })
  const lag = new Gauge({
    name: 'nodejs_eventloop_lag_p99_seconds',
    help: 'Delay of the event loop since the last scrape, 99th percentile.',
    registers: [registry],
    collect() {
      if (loopDelay === undefined) {
        loopDelay = monitorEventLoopDelay({ resolution: 20 })
        loopDelay.enable()
      }
      const p99 = loopDelay.percentile(99)
      lag.set(Number.isFinite(p99) ? p99 / 1e9 : 0)
      loopDelay.reset()
    },
  })
  return {
    registry,
    started: () => running.inc(),
    ended(method, route, status, elapsedMs) {
      running.dec()
      seconds.observe({ method, route, status }, elapsedMs / 1000)
    },
    fault: () => faults.inc(),
  }
}
