//! Where are a conduit's sessions and links kept, so that finding one is no search?
//!
//! A key is a number that is never used twice and a place that is used again. Who comes with the key of somebody that is
//! gone finds nobody: the number in the place is another's.

use std::collections::VecDeque;

/// What names a place and its one tenant.
pub(crate) trait Key: Copy + Eq + std::fmt::Debug {
    /// The place.
    fn place(self) -> usize;
}

/// Numbers that never come back, and places that do.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The next number.
    pub(super) next: u64,
    free: Vec<u32>,
    places: u32,
}

impl Keys {
    /// A fresh number and a free place.
    pub(super) fn take(&mut self) -> (u64, u32) {
        let number = self.next;
        self.next += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places - 1
        });
        (number, place)
    }

    /// The tenant of this place is gone.
    pub(super) fn give_back(&mut self, place: u32) {
        self.free.push(place);
    }
}

/// Tenants by their places. Each is in a box: a place that is empty costs next to nothing, and what grows is small.
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    places: Vec<Option<(K, Box<V>)>>,
    count: usize,
}

impl<K: Key, V> Slots<K, V> {
    /// Puts a tenant into the place of its key.
    pub(crate) fn put(&mut self, key: K, tenant: V) {
        if key.place() >= self.places.len() {
            self.places.resize_with(key.place() + 1, || None);
        }
        if let Some(place) = self.places.get_mut(key.place())
            && place.replace((key, Box::new(tenant))).is_none()
        {
            self.count += 1;
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (tenant, value) = self.places.get(key.place())?.as_ref()?;
        (tenant == key).then_some(&**value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (tenant, value) = self.places.get_mut(key.place())?.as_mut()?;
        (tenant == key).then_some(&mut **value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let tenant = self.places.get_mut(key.place())?.take_if(|(tenant, _)| tenant == key)?;
        self.count -= 1;
        Some(*tenant.1)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everybody, place by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places.iter().flatten().map(|(key, value)| (key, &**value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = K> + '_ {
        self.iter().map(|(key, _)| *key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.places.iter_mut().flatten().map(|(_, value)| &mut **value)
    }
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self { places: Vec::new(), count: 0 }
    }
}

impl<K: Key, V> std::ops::Index<&K> for Slots<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).expect("whoever indexes has seen it there")
    }
}

/// Who has something to do, each once, the first comer first.
#[derive(Debug)]
pub(super) struct Due<K> {
    queue: VecDeque<K>,
    /// By place. What stands in the queue and not here was taken out again.
    marked: Vec<Option<K>>,
}

impl<K: Key> Due<K> {
    pub(super) fn insert(&mut self, key: K) {
        if key.place() >= self.marked.len() {
            self.marked.resize(key.place() + 1, None);
        }
        if let Some(mark) = self.marked.get_mut(key.place())
            && *mark != Some(key)
        {
            *mark = Some(key);
            self.queue.push_back(key);
        }
    }

    pub(super) fn remove(&mut self, key: K) {
        if let Some(mark) = self.marked.get_mut(key.place()) {
            mark.take_if(|one| *one == key);
        }
    }

    pub(super) fn contains(&self, key: K) -> bool {
        self.marked.get(key.place()).is_some_and(|mark| *mark == Some(key))
    }

    pub(super) fn pop(&mut self) -> Option<K> {
        while let Some(key) = self.queue.pop_front() {
            if self.contains(key) {
                self.remove(key);
                return Some(key);
            }
        }
        None
    }
}

impl<K> Default for Due<K> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), marked: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SessionKey;

    #[test]
    fn a_place_is_used_again_and_the_key_of_who_is_gone_finds_nobody() {
        let (mut keys, mut slots) = (Keys::default(), Slots::default());
        let come = |keys: &mut Keys, slots: &mut Slots<SessionKey, char>, name| {
            let (number, place) = keys.take();
            let key = SessionKey(number, place);
            slots.put(key, name);
            key
        };
        let (first, second) = (come(&mut keys, &mut slots, 'a'), come(&mut keys, &mut slots, 'b'));
        assert_eq!((slots.get(&first), slots.get(&second), slots.len()), (Some(&'a'), Some(&'b'), 2));
        assert_eq!((slots.remove(&first), slots.remove(&first)), (Some('a'), None));
        keys.give_back(first.1);
        let third = come(&mut keys, &mut slots, 'c');
        assert_eq!((third.1, third.0), (first.1, 2), "the place, not the number");
        assert_eq!(slots.get(&first), None);
        assert_eq!(slots.get_mut(&first), None);
        assert_eq!(slots.remove(&first), None);
        assert_eq!(slots.iter().map(|(key, name)| (key.0, *name)).collect::<Vec<_>>(), [(2, 'c'), (1, 'b')]);
    }

    #[test]
    fn who_is_due_is_named_once_and_not_at_all_once_it_is_taken_out() {
        let mut due = Due::default();
        let [a, b, heir] = [SessionKey(0, 0), SessionKey(1, 1), SessionKey(2, 0)];
        [a, b, a].into_iter().for_each(|key| due.insert(key));
        due.remove(b);
        assert_eq!((due.contains(a), due.contains(b)), (true, false));
        due.insert(heir);
        assert_eq!((due.pop(), due.pop()), (Some(heir), None), "its place has another tenant");
        due.insert(b);
        due.remove(b);
        due.insert(b);
        assert_eq!((due.pop(), due.pop()), (Some(b), None));
    }
}
