/**
 * The one door to everything outside a process (DESIGN §3.1).
 *
 * Product code takes a `World` and never touches the globals behind it, so that a whole fleet runs in one process
 * under a seed: virtual time, lost links, crashed sites, scripted playbooks.
 */
export interface World {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly net: Network
  readonly processes: Processes
  readonly files: Files
  readonly log: Log
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch. It may step in either direction. */
  nowMs(): number
  /** Never steps back; only differences mean something. Use it for durations and deadlines. */
  monotonicMs(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Calls `fire` once after `delayMs`. A real timer does not keep the process alive by itself. */
  after(delayMs: number, fire: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason as soon as it is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** Uniform integer in [0, belowExclusive). */
  int(belowExclusive: number): number
  /** Cryptographically strong in the real world. */
  bytes(count: number): Uint8Array
  /** RFC 4122 version 4. */
  uuid(): string
}

// --- network -----------------------------------------------------------------------------------------------------

export interface HttpRequest {
  readonly method: string
  /** Absolute http: or https: URL. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** From the call to the last byte of the answer. */
  readonly deadlineMs: number
  /** A larger answer fails with `too-large`; nothing beyond it is buffered. Default 1 MiB. */
  readonly maxResponseBytes?: number
  /** Who is trusted and who we are; needed for https: to sites under the controller's own CA. */
  readonly tls?: TlsIdentity
  /** Its connection ends with the answer. For what is asked once an hour of each of thousands of sites. Default false. */
  readonly oneOff?: boolean
  readonly signal?: AbortSignal
}

/** PEM texts. Callers pass a new object when a certificate changes: pools are keyed by identity content. */
export interface TlsIdentity {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** Name to verify instead of the URL's host. */
  readonly serverName?: string
}

/** An exchange whose bytes, sent or answered, may be of any size: they are moved as they come, so memory stays flat. */
export interface StreamRequest extends Omit<HttpRequest, 'maxResponseBytes' | 'oneOff' | 'body'> {
  /** Pieces are asked for as the other side takes them; what they throw ends the request, and rejects it. `content-length` is the caller's to say, where known. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
  /** From the call, or from the last piece sent, to the headers of the answer; it says nothing of the time that bytes take. */
  readonly deadlineMs: number
  /** Nothing more came, or was taken, for so long: the bytes end with `timeout`. */
  readonly stallMs: number
  /**
   * The IP address to connect to, whatever the name in the URL leads to by now: who has judged an address must reach that one and no other.
   * Host header and certificate are those of the name. Its connection ends with the answer.
   */
  readonly address?: string
}

export interface StreamResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** To be read once. Who stops reading before the end cuts the connection; who does not read at all calls `discard`. */
  readonly body: AsyncIterable<Uint8Array>
  discard(): void
}

export interface HttpResponse {
  readonly status: number
  /** Lower-case names; repeated headers joined with ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Present on TLS connections: when the other side's certificate ends. */
  readonly peerCertificateNotAfterMs?: number
}

export type NetworkErrorCode = 'refused' | 'timeout' | 'reset' | 'dns' | 'tls' | 'too-large' | 'aborted' | 'protocol'

/** No answer was had. `code` says why; the message names method and origin, never headers or body. */
export class NetworkError extends Error {
  readonly code: NetworkErrorCode
  constructor(code: NetworkErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'NetworkError'
    this.code = code
  }
}

export interface ListenAddress {
  readonly host: string
  /** 0 asks for a free port. */
  readonly port: number
  readonly tls?: ServerTls
  /** Requests may take as long as their bytes keep coming: for APIs that take images, which watch over the bytes themselves. */
  readonly longRequests?: boolean
}

/** Files are read at start and again whenever they change, so that a renewed certificate needs no restart. */
export interface ServerTls {
  readonly certFile: string
  readonly keyFile: string
  /** When present, clients must show a certificate under this CA. */
  readonly clientCaFile?: string
}

/** What the http package makes of an application: the real network calls `handle`, the simulated one `inject`. */
export interface Endpoint {
  handle(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse): void
  inject(request: HttpRequest): Promise<HttpResponse>
  /** Told once for each listener when it begins to close: answers that would never end by themselves (streams) end now. */
  ending?(): void
}

export interface Listening {
  readonly host: string
  readonly port: number
  /** Stops accepting, lets running requests finish for at most `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>
}

export interface StreamAddress {
  readonly host: string
  readonly port: number
  /** Present: TLS, verified against it (an empty object: against the system's authorities). */
  readonly tls?: TlsIdentity
}

/** A raw connection. Events come as they do from `node:net`; `unref` lets the process end while it is open. */
export interface Stream {
  write(data: Uint8Array | string): unknown
  on(event: 'data', then: (chunk: Buffer) => void): unknown
  on(event: 'connect' | 'secureConnect' | 'close', then: () => void): unknown
  on(event: 'error', then: (error: Error) => void): unknown
  ref(): unknown
  unref(): unknown
  destroy(): unknown
}

export interface Network {
  /** One exchange over a pooled connection; redirects are not followed. Rejects with `NetworkError`. */
  request(request: HttpRequest): Promise<HttpResponse>
  /** One exchange whose answer is read piece by piece; redirects are not followed. Rejects with `NetworkError`, and so does its body. */
  stream(request: StreamRequest): Promise<StreamResponse>
  /** All addresses that a name has now; an address has itself. Rejects with `NetworkError`: `dns`, or `timeout` after `deadlineMs`. */
  resolve(hostName: string, deadlineMs: number): Promise<readonly string[]>
  serve(address: ListenAddress, endpoint: Endpoint): Promise<Listening>
  /** Begins to connect and returns at once; a failure is an `error` event. For drivers of databases; all else speaks HTTP. */
  connect(address: StreamAddress): Stream
  close(): Promise<void>
}

// --- processes ---------------------------------------------------------------------------------------------------

export interface ProcessSpec {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** The whole environment of the child: nothing is inherited but what is named here. Secrets travel here, not in args. */
  readonly env: Readonly<Record<string, string>>
  readonly input?: string
  readonly onLine?: (stream: 'stdout' | 'stderr', line: string) => void
  /** TERM to the whole process group after this, KILL after `killGraceMs` more. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** Default 5,000. */
  readonly killGraceMs?: number
}

export interface ProcessExit {
  readonly code: number | null
  readonly signal: string | null
  /** Why the runner ended it, or `exited` when it ended by itself. */
  readonly reason: 'exited' | 'deadline' | 'aborted'
}

export interface RunningProcess {
  readonly pid: number
  readonly done: Promise<ProcessExit>
}

export interface Processes {
  /** Starts a child in a process group of its own. Rejects when the command can't be started. */
  start(spec: ProcessSpec): Promise<RunningProcess>
}

// --- files -------------------------------------------------------------------------------------------------------

/** Private files, small but for what is streamed (vault, logs of playbooks, images). Paths come from our own code, never from user input. */
export interface Files {
  read(path: string): Promise<Uint8Array | undefined>
  /**
   * The bytes from `start` to `end` (both included; default all of it) of a file of any size, a small piece at a time: the next one is
   * read when it is asked for. Throws ENOENT at the first piece; ends early when the file does. With `reuse` a piece is the caller's only until
   * it asks for the next one, and nothing becomes garbage: for who hands much on and keeps none of it.
   */
  stream(path: string, range?: FileRange): AsyncIterable<Uint8Array>
  /** Replaces the whole file atomically (write aside, fsync, rename). Default mode 0600; folders are made 0700. */
  write(path: string, data: string | Uint8Array, options?: { mode?: number }): Promise<void>
  /** For what does not fit into memory: as `write`, piece by piece. Nothing is seen at `path` before `commit`. */
  create(path: string, options?: { mode?: number }): Promise<FileWriter>
  append(path: string, data: string): Promise<void>
  /** Removes a file or a whole folder; fine when it is not there. */
  remove(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Names in a folder, sorted; empty when it is not there. */
  list(folder: string): Promise<string[]>
  /** Every regular file below a folder, in the order of the paths of folders; links are neither told nor followed. Empty when it is not there. */
  walk(folder: string): AsyncIterable<FoundFile>
  /**
   * What `create` began below a folder and has neither committed nor discarded, by the path it was to become: being written now, or left by a
   * process that died. Only who wrote it down can tell which.
   */
  unfinished(folder: string): AsyncIterable<string>
  /** Removes what was begun for a path and not committed; its writer, if there is one, fails. */
  removeUnfinished(path: string): Promise<void>
  size(path: string): Promise<number | undefined>
  /** Permission bits of a file (0o600); absent where files have no modes. Key files open to others are refused by it. */
  mode?(path: string): Promise<number | undefined>
}

export interface FileRange {
  readonly start: number
  readonly end: number
  readonly reuse?: boolean
}

export interface FileWriter {
  /** Resolves when the piece is with the system: who waits for it keeps memory flat. */
  write(piece: Uint8Array): Promise<void>
  /** Replaces the file atomically with what was written (fsync, rename). */
  commit(): Promise<void>
  /** Leaves no trace; nothing after `commit`. */
  discard(): Promise<void>
}

export interface FoundFile {
  /** Below the folder, with `/`. */
  readonly path: string
  readonly sizeBytes: number
  readonly mode: number
}

// --- log ---------------------------------------------------------------------------------------------------------

/** Structured lines. Values that are secrets are `Secret`s (packages/trust) and print as `[secret]`. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
  child(fields: Readonly<Record<string, unknown>>): Log
}
