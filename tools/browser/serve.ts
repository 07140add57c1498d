import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

/** The workspace's root folder. */
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a site may send along with a page: sets of headers by name. */
export type HeaderSets = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What {@link servePage} serves. */
export interface PageOptions<Headers extends HeaderSets> {
  /** The package that the page belongs to: `backend-wasm`. */
  readonly packageName: string;
  /** The page's only script, from the workspace's root. Default: the package's `test/browser/page.ts`. */
  readonly script?: string;
  readonly headers?: Headers;
  /** Packages from outside of this workspace that the page imports, besides fast-check. */
  readonly include?: readonly string[];
}

/** A web server with one page. */
export interface PageServer<Headers extends HeaderSets> {
  /** Of the page; the named sets of headers are sent with it. */
  url(headers?: readonly (keyof Headers & string)[]): string;
  close(): Promise<void>;
}

/** Serves the sources of this workspace, as they are, to a browser. */
export async function servePage<Headers extends HeaderSets = Record<never, never>>(
  options: PageOptions<Headers>,
): Promise<PageServer<Headers>> {
  const { packageName, headers = {} as Headers, include = [] } = options;
  const { script = `/packages/${packageName}/test/browser/page.ts` } = options;
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'error',
    cacheDir: `packages/${packageName}/node_modules/.vite`,
    resolve: { conditions: ['@vq4dit/source', 'module', 'browser', 'default'] },
    // What is not of this workspace: known beforehand, the page loads once.
    optimizeDeps: { noDiscovery: true, include: ['fast-check', ...include] },
    server: { host: '127.0.0.1', port: 0, hmr: false, watch: null },
    plugins: [
      {
        name: 'vq4dit-test-page',
        configureServer({ middlewares }) {
          middlewares.use((request, response, next) => {
            const url = new URL(request.url ?? '/', 'http://localhost');
            if (url.pathname !== '/') return next();
            for (const name of (url.searchParams.get('headers') ?? '').split(',')) {
              for (const [key, value] of Object.entries(headers[name] ?? {})) {
                response.setHeader(key, value);
              }
            }
            response.setHeader('Content-Type', 'text/html');
            response.end(
              `<!doctype html><title>${packageName}</title>` +
                `<script type="module" src="${script}"></script>`,
            );
          });
        },
      },
    ],
  });
  await server.listen();
  const { port } = server.httpServer!.address() as AddressInfo;
  return {
    url: (sets = []) => `http://127.0.0.1:${port}/?headers=${sets.join(',')}`,
    close: () => server.close(),
  };
}
