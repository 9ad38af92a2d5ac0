import type { Component } from 'svelte';

import Talk from '../talk/Talk.svelte';
import type { IconName } from '../ui/icons.ts';
import { words } from './words.ts';

/** What a view is given: what stands in the address behind its own name. */
export interface ViewProps {
  segments: string[];
}

/** One of the page's places, in the order of the rail. */
export interface Place {
  name: 'talk' | 'files' | 'queues';
  icon: IconName;
  title: () => string;
  /** Its view; all but the first are loaded when somebody goes there. */
  load: () => Component<ViewProps> | Promise<Component<ViewProps>>;
}

export const places: Place[] = [
  { name: 'talk', icon: 'talk', title: () => words.talk, load: () => Talk },
  { name: 'files', icon: 'files', title: () => words.files, load: async () => (await import('../files/Files.svelte')).default },
  { name: 'queues', icon: 'queues', title: () => words.queues, load: async () => (await import('../queues/Queues.svelte')).default },
];
