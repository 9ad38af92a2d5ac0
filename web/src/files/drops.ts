import type { Attachment } from 'svelte/attachments';

import { filesOf } from './share.ts';

/** Takes files that are dropped on an element; while some are over it, it has the class `dropping`. */
export function drops(take: (files: File[]) => void): Attachment<HTMLElement> {
  return (element) => {
    // Entering a child comes before leaving the parent.
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const show = (change: number) => {
      depth = Math.max(0, depth + change);
      element.classList.toggle('dropping', depth > 0);
    };
    const handlers: Record<string, (event: DragEvent) => void> = {
      dragenter: (event) => hasFiles(event) && show(1),
      dragleave: (event) => hasFiles(event) && show(-1),
      dragover: (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        event.dataTransfer!.dropEffect = 'copy';
      },
      drop: (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        show(-depth);
        take(filesOf(event.dataTransfer));
      },
    };
    for (const [name, handler] of Object.entries(handlers)) element.addEventListener(name, handler as EventListener);
    return () => {
      for (const [name, handler] of Object.entries(handlers)) element.removeEventListener(name, handler as EventListener);
    };
  };
}
