import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

/** A web server with one page, on which test/browser/page.ts runs. */
export interface PageServer {
  /** Of the page; `?headers=` and names of {@link HEADERS} joined by commas choose its headers. */
  url(headers?: readonly (keyof typeof HEADERS)[]): string;
  close(): Promise<void>;
}

/** What a site may send along with a page. */
export const HEADERS = {
  /** Makes the page cross-origin isolated: only then is there shared memory. */
  isolated: {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  },
  /** A site that forbids workers. */
  noWorkers: { 'Content-Security-Policy': "worker-src 'none'" },
  /** A site that forbids WebAssembly. */
  noWebAssembly: { 'Content-Security-Policy': "script-src 'self'" },
};

/** Serves the sources of this workspace, as they are, to a browser. */
export async function servePage(): Promise<PageServer> {
  const root = fileURLToPath(new URL('../../../..', import.meta.url));
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'error',
    cacheDir: 'packages/backend-wasm/node_modules/.vite',
    resolve: { conditions: ['@vq4dit/source', 'module', 'browser', 'default'] },
    // The one dependency that is not of this workspace: known beforehand, the page loads once.
    optimizeDeps: { noDiscovery: true, include: ['fast-check'] },
    server: { host: '127.0.0.1', port: 0, hmr: false, watch: null },
    plugins: [
      {
        name: 'vq4dit-test-page',
        configureServer({ middlewares }) {
          middlewares.use((request, response, next) => {
            const url = new URL(request.url ?? '/', 'http://localhost');
            if (url.pathname !== '/') return next();
            for (const name of (url.searchParams.get('headers') ?? '').split(',')) {
              const headers = HEADERS[name as keyof typeof HEADERS] ?? {};
              for (const [key, value] of Object.entries(headers)) response.setHeader(key, value);
            }
            response.setHeader('Content-Type', 'text/html');
            response.end(
              '<!doctype html><title>wasm</title>' +
                '<script type="module" src="/packages/backend-wasm/test/browser/page.ts"></script>',
            );
          });
        },
      },
    ],
  });
  await server.listen();
  const { port } = server.httpServer!.address() as AddressInfo;
  return {
    url: (headers = []) => `http://127.0.0.1:${port}/?headers=${headers.join(',')}`,
    close: () => server.close(),
  };
}
