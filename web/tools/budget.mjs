// Prints what the first view costs over the wire, and fails where it costs too much.
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';

const JS_BYTES_MAX = 150 * 1024;
const dist = new URL('../dist/', import.meta.url);
const manifestFile = new URL('build.json', dist);
const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
const wire = (file) => {
  const packed = new URL(`${file}.br`, dist);
  return statSync(existsSync(packed) ? packed : new URL(file, dist)).size;
};

const scripts = new Set();
const styles = new Set();
const first = (key) => {
  const chunk = manifest[key];
  if (scripts.has(chunk.file)) return;
  scripts.add(chunk.file);
  for (const style of chunk.css ?? []) styles.add(style);
  for (const other of chunk.imports ?? []) first(other);
};
first('index.html');

const sum = (files) => [...files].reduce((total, file) => total + wire(file), 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
const js = sum(scripts);
console.log(`first view: ${kib(js)} of JavaScript, ${kib(sum(styles))} of styles (at most ${kib(JS_BYTES_MAX)})`);
for (const [key, chunk] of Object.entries(manifest)) {
  if (chunk.isDynamicEntry) console.log(`${key}: ${kib(wire(chunk.file))}`);
}
// It says nothing to a browser, and is not to be served.
for (const ending of ['', '.br', '.gz']) rmSync(new URL(`build.json${ending}`, dist), { force: true });

const index = readFileSync(new URL('index.html', dist), 'utf8');
if (/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/.test(index)) {
  console.error('index.html has an inline script or style, which the Content-Security-Policy forbids: move it into a file');
  process.exitCode = 1;
}
if (js > JS_BYTES_MAX) {
  console.error('the first view has too much JavaScript: load what it does not need by import()');
  process.exitCode = 1;
}
