/** The languages that the page speaks. */
export type Language = 'en' | 'es';

/** What one says: a text, a function of what stands in it, or texts by their names. */
type Entry = string | ((...values: never[]) => string) | Readonly<Record<string, string>>;

/** The same keys with the same values in another language. */
export type Same<Words> = {
  [Key in keyof Words]: Words[Key] extends string ? string : Words[Key] extends (...values: infer Values) => string ? (...values: Values) => string : { [Name in keyof Words[Key]]: string };
};

const STORED_AS = 'chaski.language';

function preferred(): Language {
  const stored = localStorage.getItem(STORED_AS);
  if (stored === 'en' || stored === 'es') return stored;
  return navigator.languages.map((code) => code.slice(0, 2)).find((code) => code === 'en' || code === 'es') === 'es' ? 'es' : 'en';
}

class Locale {
  code = $state<Language>(preferred());

  /** One has said in this browser which it is to be. */
  get isChosen(): boolean {
    return localStorage.getItem(STORED_AS) !== null;
  }

  /** Speaks a language from now on, here and after a reload. */
  choose(code: Language) {
    localStorage.setItem(STORED_AS, code);
    this.follow(code);
  }

  /** Speaks the account's language, unless one chose another one here. */
  follow(code: Language) {
    this.code = code;
    document.documentElement.lang = code;
  }
}

/** The language that is spoken now. */
export const locale = new Locale();
document.documentElement.lang = locale.code;

/**
 * Makes the words of a view. Each view has its own, so that one that is loaded later brings them along; a key that the second
 * language lacks is an error of the compiler.
 */
export function dictionary<Words extends Record<string, Entry>>(en: Words, es: NoInfer<Same<Words>>): Readonly<Words> {
  const words = { en, es: es as unknown as Words };
  return new Proxy(en, { get: (_, key) => words[locale.code][key as keyof Words] });
}
