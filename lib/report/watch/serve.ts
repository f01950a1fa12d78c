/**
 * A page on a folder, served to this machine's browsers alone, that changes as the folder does.
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { invalidArgument, SoulError } from '../../core/errors.ts';
import { contentSecurityPolicy } from '../page/page.ts';
import { Drawer } from '../plot/draw.ts';
import { LivePage } from './live-page.ts';

export interface WatchOptions {
  /** Default 0: one that is free. */
  readonly port?: number;
  /** Seconds between two looks at the folder. Default 1; longer where making the page takes long. */
  readonly every?: number;
}

/** Of all answers: nothing is kept, framed, guessed at, or read by pages from elsewhere. */
const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': `${contentSecurityPolicy(true)}; frame-ancestors 'none'`,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const address = '127.0.0.1';

/** A page that is served until it is closed. */
export class WatchServer {
  readonly #server: Server;
  readonly #page: LivePage;
  readonly #readers = new Set<ServerResponse>();
  readonly #every: number;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(server: Server, page: LivePage, every: number) {
    this.#server = server;
    this.#page = page;
    this.#every = every;
  }

  /**
   * Makes the page and begins to serve it on 127.0.0.1.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT, also where the port is taken; SOUL_NOT_FOUND, SOUL_BAD_FILE of the folder
   */
  static async start(folder: string, { port = 0, every = 1 }: WatchOptions = {}): Promise<WatchServer> {
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw invalidArgument('port', 'a port from 0 to 65535', port);
    if (!(every > 0)) throw invalidArgument('every', 'a number of seconds above 0', every);
    const page = await LivePage.open(folder, await Drawer.load());
    const server = createServer();
    const watch = new WatchServer(server, page, every);
    server.on('request', (request, response) => watch.#answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', ({ message }) => {
        const text = `port ${port} of ${address} cannot be taken: ${message}; name another, or none for one that is free`;
        reject(new SoulError('SOUL_INVALID_ARGUMENT', text, { argument: 'port' }));
      });
      server.listen({ port, host: address, exclusive: true }, resolve);
    });
    watch.#lookLater(every);
    return watch;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${address}:${this.port}/`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const reader of this.#readers) reader.end();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #lookLater(seconds: number): void {
    this.#timer = setTimeout(() => void this.#look(), seconds * 1000);
  }

  async #look(): Promise<void> {
    const [before, problem] = [this.#page.page.version, this.#page.problem];
    const begun = performance.now();
    await this.#page.look();
    const passed = (performance.now() - begun) / 1000;
    if (this.#isClosed) return;
    if (this.#page.page.version !== before) this.#tell('changed', this.#page.page.version);
    if (this.#page.problem !== problem) this.#tell('problem', JSON.stringify(this.#page.problem ?? 'Watching.'));
    // A fifth of a processor at most, however much there is to draw.
    this.#lookLater(Math.max(this.#every, 4 * passed));
  }

  #tell(event: string, data: string): void {
    for (const reader of this.#readers) reader.write(`event: ${event}\ndata: ${data}\n\n`);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const isHead = request.method === 'HEAD';
    const end = (status: number, content: string | Buffer, type = 'text/plain') => {
      response.writeHead(status, { ...headers, 'Content-Type': `${type}; charset=utf-8` });
      response.end(isHead ? undefined : content);
    };
    // A name that somebody else's DNS leads here is another Host: their page must not read this one.
    const hosts = [`${address}:${this.port}`, `localhost:${this.port}`];
    if (!hosts.includes(request.headers.host ?? '')) end(421, 'Open the address that soul watch printed.\n');
    else if (request.method !== 'GET' && !isHead) {
      response.setHeader('Allow', 'GET, HEAD');
      end(405, 'Only GET.\n');
    } else if (request.url === '/events' && !isHead) this.#stream(response);
    else if (request.url === '/events') end(200, '', 'text/event-stream');
    else if (request.url === '/' || request.url === '/content') end(200, this.#page.page.bytes, 'text/html');
    else end(404, 'There is one page here: /\n');
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream; charset=utf-8' });
    // What changed while a reader was away is told when it comes.
    response.write(`retry: 2000\n\nevent: changed\ndata: ${this.#page.page.version}\n\n`);
    if (this.#page.problem !== undefined)
      response.write(`event: problem\ndata: ${JSON.stringify(this.#page.problem)}\n\n`);
    this.#readers.add(response);
    response.on('close', () => this.#readers.delete(response));
  }
}
