/** What is asked before something is done that cannot be undone. */
export interface Question {
  title: string;
  text?: string;
  /** What the button that does it says. */
  action: string;
}

class Questions {
  asked = $state.raw<(Question & { answer: (isYes: boolean) => void }) | null>(null);

  /** Asks, and says whether it is to be done. */
  ask(question: Question): Promise<boolean> {
    this.asked?.answer(false);
    return new Promise((resolve) => {
      this.asked = {
        ...question,
        answer: (isYes) => {
          this.asked = null;
          resolve(isYes);
        },
      };
    });
  }
}

/** Asks people before something is done: `if (await questions.ask({…})) …`. */
export const questions = new Questions();
