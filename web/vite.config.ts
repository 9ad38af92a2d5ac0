import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

import { compressed } from './tools/compressed.ts';

/** The server that answers `/v1` while one develops. */
const server = process.env['CHASKI_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), compressed()],
  build: {
    target: 'es2023',
    cssTarget: ['chrome125', 'firefox128', 'safari18'],
    // Inline scripts and data: fonts would break the Content-Security-Policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    manifest: 'build.json',
  },
  server: {
    // The page's origin is kept, because the server compares it with the Host of a WebSocket.
    proxy: { '/v1': { target: server, ws: true } },
  },
  test: { include: ['src/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0]);
