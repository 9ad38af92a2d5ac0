/** The colours that one wants: the system's, unless one says otherwise. */
export type Theme = 'system' | 'light' | 'dark';

const STORED_AS = 'chaski.theme';

class Colours {
  theme = $state<Theme>('system');

  constructor() {
    const stored = localStorage.getItem(STORED_AS);
    if (stored === 'light' || stored === 'dark') this.choose(stored);
  }

  choose(theme: Theme) {
    this.theme = theme;
    if (theme === 'system') {
      delete document.documentElement.dataset['theme'];
      localStorage.removeItem(STORED_AS);
    } else {
      document.documentElement.dataset['theme'] = theme;
      localStorage.setItem(STORED_AS, theme);
    }
  }
}

export const colours = new Colours();
