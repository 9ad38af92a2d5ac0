import { locale } from './language.svelte.ts';

const made = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>();

function cached<Format extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(name: string, make: (code: string) => Format): Format {
  const key = `${locale.code} ${name}`;
  let format = made.get(key) as Format | undefined;
  if (!format) {
    format = make(locale.code);
    made.set(key, format);
  }
  return format;
}

/** The time of day, 09:05. */
export function timeOfDay(ms: number): string {
  return cached('time', (code) => new Intl.DateTimeFormat(code, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })).format(ms);
}

/** A day and its time, for titles and tables. */
export function moment(ms: number): string {
  return cached('moment', (code) => new Intl.DateTimeFormat(code, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' })).format(ms);
}

/** A day by its name, with the year if it is not this one. */
export function day(ms: number, nowMs: number): string {
  const hasYear = new Date(ms).getFullYear() !== new Date(nowMs).getFullYear();
  return cached(hasYear ? 'day of a year' : 'day', (code) =>
    new Intl.DateTimeFormat(code, { weekday: 'long', day: 'numeric', month: 'long', ...(hasYear ? { year: 'numeric' as const } : {}) }),
  ).format(ms);
}

/** How long ago, in the largest unit that fits. */
export function ago(ms: number, nowMs: number): string {
  const seconds = Math.round((ms - nowMs) / 1000);
  const format = cached('ago', (code) => new Intl.RelativeTimeFormat(code, { numeric: 'auto', style: 'short' }));
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86_400], ['hour', 3_600], ['minute', 60]];
  for (const [unit, size] of steps) if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  return format.format(seconds, 'second');
}

/** A whole number with its groups. */
export function count(value: number): string {
  return cached('count', (code) => new Intl.NumberFormat(code, { maximumFractionDigits: 0 })).format(value);
}

/** A number with few digits, as for rates. */
export function short(value: number): string {
  return cached('short', (code) => new Intl.NumberFormat(code, { notation: 'compact', maximumFractionDigits: 1 })).format(value);
}

/** Bytes in the binary unit that fits. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  const number = cached(`bytes ${digits}`, (code) => new Intl.NumberFormat(code, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return `${number.format(size)} ${units[unit]}`;
}
