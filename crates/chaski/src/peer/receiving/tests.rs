use client::peer::finder::Query;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;

fn offered(id: u64) -> Offered {
    let Ok(Query::Content(root, _)) = Query::parse(&"ab".repeat(32)) else {
        panic!("a root");
    };
    Offered {
        id,
        account: "anna".to_owned(),
        name: format!("{id}.txt"),
        root,
        bytes: 1,
        is_folder: false,
    }
}

struct Desk {
    receiving: Receiving,
    offers: mpsc::Sender<ReceiveEvent>,
    keys: mpsc::Sender<String>,
}

impl Desk {
    fn new() -> Self {
        let (offers, events) = mpsc::channel(EVENTS_MAX);
        let (keys, lines) = mpsc::channel(LINES_MAX);
        let receiving = Receiving {
            inbox: None,
            folder: None,
            throttle: Arc::default(),
            events,
            questions: VecDeque::new(),
            is_shown: false,
            is_withdrawn: false,
            is_late: false,
            lines: Some(lines),
        };
        Self {
            receiving,
            offers,
            keys,
        }
    }

    /// Waits until an offer is taken; nothing else is told meanwhile.
    async fn takes(&mut self, offer: oneshot::Receiver<bool>) {
        tokio::select! {
            said = offer => assert_eq!(said, Ok(true)),
            told = self.told() => panic!("{told:?} is told"),
        }
    }

    async fn offer(&self, id: u64) -> oneshot::Receiver<bool> {
        let (answer, said) = oneshot::channel();
        let asking = ReceiveEvent::Asking(offered(id), answer);
        self.offers.send(asking).await.expect("somebody listens");
        said
    }

    /// An offer is not taken, as its maker hung up.
    async fn refused(&self, id: u64) {
        let refused = ReceiveEvent::Refused(offered(id), "it was taken back".to_owned());
        self.offers.send(refused).await.expect("somebody listens");
    }

    async fn types(&self, line: &str) {
        self.keys.send(line.to_owned()).await.expect("it is read");
    }

    /// What is told next, and of which offer.
    async fn told(&mut self) -> (&'static str, u64) {
        match self.receiving.next().await.expect("it goes on") {
            Told::Question(offered) => ("question", offered.id),
            Told::Again(offered) => ("again", offered.id),
            Told::Taking(offered, _) => ("taking", offered.id),
            Told::Received(offered, _) => ("received", offered.id),
            Told::Already(offered) => ("already", offered.id),
            Told::Refused(offered, _) => ("refused", offered.id),
        }
    }
}

#[tokio::test]
async fn each_line_answers_the_question_that_is_shown() {
    let mut desk = Desk::new();
    let (first, second) = (desk.offer(1).await, desk.offer(2).await);
    assert_eq!(desk.told().await, ("question", 1));
    desk.types("n").await;
    assert_eq!(desk.told().await, ("question", 2));
    desk.types("Sí").await;
    desk.refused(1).await;
    // Both are looked at before it ends, in whichever order.
    assert_eq!(desk.told().await, ("refused", 1));
    assert_eq!(first.await, Ok(false));
    desk.takes(second).await;
}

#[tokio::test]
async fn a_yes_to_what_was_taken_back_takes_nothing_else() {
    let mut desk = Desk::new();
    let (first, mut second) = (desk.offer(1).await, desk.offer(2).await);
    assert_eq!(desk.told().await, ("question", 1));
    drop(first);
    assert_eq!(desk.told().await, ("question", 2));
    desk.types("y").await;
    assert_eq!(desk.told().await, ("again", 2));
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
    desk.types("y").await;
    desk.takes(second).await;
}

#[tokio::test]
async fn a_line_for_what_was_taken_back_is_no_answer_to_what_comes_later() {
    let mut desk = Desk::new();
    let first = desk.offer(1).await;
    assert_eq!(desk.told().await, ("question", 1));
    drop(first);
    desk.refused(1).await;
    assert_eq!(desk.told().await, ("refused", 1));
    let mut second = desk.offer(2).await;
    assert_eq!(desk.told().await, ("question", 2));
    desk.types("yes").await;
    assert_eq!(desk.told().await, ("again", 2));
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
}
