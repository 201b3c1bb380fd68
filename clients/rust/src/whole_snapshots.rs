//! Snapshots in the event stream: whole, or not at all.

use std::collections::VecDeque;

use crate::v1::WatchEventsResponse;
use crate::v1::watch_events_response::Event;

/// Holds the items of a snapshot back until it is complete.
///
/// One that broke off may tell of what is gone when the next one is taken.
#[derive(Default)]
pub(crate) struct WholeSnapshots {
    items: Vec<WatchEventsResponse>,
    ready: VecDeque<WatchEventsResponse>,
}

impl WholeSnapshots {
    /// Takes a message as it came.
    pub fn receive(&mut self, message: WatchEventsResponse) {
        if matches!(message.event, Some(Event::SnapshotItem(_))) {
            self.items.push(message);
            return;
        }
        if matches!(message.event, Some(Event::SnapshotComplete(_))) {
            self.ready.extend(self.items.drain(..));
        }
        self.ready.push_back(message);
    }

    /// The stream broke: what is left of its snapshot never becomes whole.
    pub fn break_off(&mut self) {
        self.items.clear();
    }

    /// The next message that may be handed on.
    pub fn pop(&mut self) -> Option<WatchEventsResponse> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::snapshot_item::Item;
    use crate::v1::{Game, Heartbeat, SnapshotComplete, SnapshotItem};

    fn message(event: Event) -> WatchEventsResponse {
        WatchEventsResponse {
            event: Some(event),
            ..Default::default()
        }
    }

    fn item(id: &str) -> WatchEventsResponse {
        let game = Game {
            id: id.to_owned(),
            ..Default::default()
        };
        message(Event::SnapshotItem(SnapshotItem {
            item: Some(Item::Game(game)),
        }))
    }

    fn complete() -> WatchEventsResponse {
        message(Event::SnapshotComplete(SnapshotComplete::default()))
    }

    fn ready(snapshots: &mut WholeSnapshots) -> Vec<WatchEventsResponse> {
        std::iter::from_fn(|| snapshots.pop()).collect()
    }

    #[test]
    fn a_snapshot_comes_when_it_is_complete() {
        let mut snapshots = WholeSnapshots::default();
        snapshots.receive(item("a"));
        snapshots.receive(item("b"));
        assert_eq!(ready(&mut snapshots), []);
        snapshots.receive(complete());
        let whole = [item("a"), item("b"), complete()];
        assert_eq!(ready(&mut snapshots), whole);
        snapshots.receive(complete());
        assert_eq!(ready(&mut snapshots), [complete()]);
    }

    #[test]
    fn one_that_breaks_off_never_comes() {
        let mut snapshots = WholeSnapshots::default();
        snapshots.receive(item("ghost"));
        snapshots.break_off();
        snapshots.receive(item("a"));
        snapshots.receive(complete());
        assert_eq!(ready(&mut snapshots), [item("a"), complete()]);
    }

    #[test]
    fn what_is_no_item_comes_at_once() {
        let mut snapshots = WholeSnapshots::default();
        let heartbeat = message(Event::Heartbeat(Heartbeat::default()));
        snapshots.receive(heartbeat.clone());
        assert_eq!(ready(&mut snapshots), [heartbeat]);
    }
}
