// Writes the types of the HTTP interface from its OpenAPI document: a file, or the address of a running server's /openapi.json.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const source = process.env.CHASKI_OPENAPI ?? 'openapi.json';
const url = /^https?:/.test(source) ? new URL(source) : pathToFileURL(source);
// A field with a default may be left out of what is asked; an object of no known form has any members.
const types = astToString(await openapiTS(url, { defaultNonNullable: false, emptyObjectsUnknown: true }));
writeFileSync(new URL('../src/api/schema.d.ts', import.meta.url), types);
console.log(`src/api/schema.d.ts is written from ${source}`);
