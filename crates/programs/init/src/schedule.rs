//! In what order modules are loaded, and which can be loaded now.

use livestick_handoff::ModulePlan;
use std::collections::{BTreeMap, VecDeque};

/// What is wanted, what is being done and what is done.
#[derive(Debug)]
pub struct Schedule {
    /// The most urgent first. A module may be in it more than once.
    queue: VecDeque<usize>,
    /// Until these are loaded, nothing else begins.
    urgent: Vec<usize>,
    /// Nothing more is begun.
    pub stopped: bool,
    modules: Vec<Entry>,
}

impl Schedule {
    pub fn new(plan: &ModulePlan, by_name: &BTreeMap<&str, usize>) -> Self {
        let entries = plan.modules.iter().map(|module| {
            let dependencies = module.dependencies.iter();
            let known = dependencies.filter_map(|name| by_name.get(name.as_str()));
            Entry {
                dependencies: known.copied().collect(),
                stage: Stage::Absent,
            }
        });
        Self {
            queue: VecDeque::new(),
            urgent: Vec::new(),
            stopped: false,
            modules: entries.collect(),
        }
    }

    /// Puts a module, with what it depends on, before all else.
    pub fn put_first(&mut self, index: usize) {
        self.queue.push_front(index);
        self.put_dependencies_first(index);
    }

    /// Puts what a module depends on before all else, and has everything else wait until the module
    /// itself, which must be asked for too, is loaded. A module that is loaded makes every processor
    /// stop many times while the kernel changes its own code, so two at once take longer than each.
    pub fn expect(&mut self, index: usize) {
        if let Some(entry) = self.modules.get(index) {
            self.urgent.extend(&entry.dependencies);
            self.urgent.push(index);
        }
        self.put_dependencies_first(index);
    }

    /// Puts modules after all that is wanted so far. What they depend on must be wanted already, or
    /// be among them.
    pub fn put_last(&mut self, indices: impl IntoIterator<Item = usize>) {
        self.queue.extend(indices);
    }

    /// Takes the first module that can be loaded now, because its dependencies are.
    pub fn take(&mut self) -> Option<usize> {
        let modules = &self.modules;
        let absent = |index: &usize| modules.get(*index).is_some_and(Entry::is_absent);
        self.queue.retain(absent);
        let is_done = |index: &usize| modules.get(*index).is_none_or(Entry::is_done);
        self.urgent.retain(|index| !is_done(index));
        let place = self.place()?;
        let index = self.queue.remove(place)?;
        self.set(index, Stage::Loading);
        Some(index)
    }

    /// A module that was taken is loaded. It is not tried again where it failed.
    pub fn finish(&mut self, index: usize) {
        self.set(index, Stage::Done);
    }

    pub fn is_done(&self, index: usize) -> bool {
        self.modules.get(index).is_none_or(Entry::is_done)
    }

    /// Where in the queue the next module is.
    fn place(&self) -> Option<usize> {
        let mut queue = self.queue.iter();
        let ready = |index: &usize| self.is_ready(*index);
        let urgent = |index: &usize| self.urgent.is_empty() || self.urgent.contains(index);
        if let Some(place) = queue.position(|index| urgent(index) && ready(index)) {
            return Some(place);
        }
        let is_loading = |entry: &Entry| entry.stage == Stage::Loading;
        if self.modules.iter().any(is_loading) {
            return None;
        }
        // What is urgent has not been asked for yet; or modules depend on each other in a circle, as
        // soft dependencies may: it is entered somewhere.
        self.queue.iter().position(ready).or(Some(0))
    }

    fn put_dependencies_first(&mut self, index: usize) {
        if let Some(entry) = self.modules.get(index).filter(|entry| entry.is_absent()) {
            for dependency in entry.dependencies.iter().rev() {
                self.queue.push_front(*dependency);
            }
        }
    }

    fn is_ready(&self, index: usize) -> bool {
        self.modules.get(index).is_none_or(|entry| {
            let mut dependencies = entry.dependencies.iter();
            dependencies.all(|dependency| self.is_done(*dependency))
        })
    }

    fn set(&mut self, index: usize, stage: Stage) {
        if let Some(entry) = self.modules.get_mut(index) {
            entry.stage = stage;
        }
    }
}

#[derive(Debug)]
struct Entry {
    dependencies: Vec<usize>,
    stage: Stage,
}

impl Entry {
    fn is_absent(&self) -> bool {
        self.stage == Stage::Absent
    }

    fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Absent,
    Loading,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_handoff::Module;

    /// Modules by number, each with what it depends on.
    fn schedule(dependencies: &[&[usize]]) -> Schedule {
        let modules = dependencies
            .iter()
            .enumerate()
            .map(|(index, needed)| Module {
                name: format!("m{index}"),
                preload: false,
                dependencies: needed.iter().map(|index| format!("m{index}")).collect(),
            });
        let plan = ModulePlan {
            modules: modules.collect(),
            aliases: vec![],
        };
        let names = plan.modules.iter().enumerate();
        let by_name = names
            .map(|(index, module)| (module.name.as_str(), index))
            .collect();
        Schedule::new(&plan, &by_name)
    }

    #[test]
    fn dependencies_come_first_and_others_use_the_time() {
        let mut schedule = schedule(&[&[], &[0], &[0, 1], &[]]);
        schedule.put_last([3]);
        schedule.put_first(2);
        assert_eq!(schedule.take(), Some(0));
        // 1 and 2 must wait for 0; 3 need not.
        assert_eq!(schedule.take(), Some(3));
        assert_eq!(schedule.take(), None);
        schedule.finish(0);
        assert_eq!(schedule.take(), Some(1));
        schedule.finish(1);
        assert_eq!(schedule.take(), Some(2));
    }

    #[test]
    fn what_is_expected_has_the_machine_for_itself() {
        let mut schedule = schedule(&[&[], &[0], &[]]);
        schedule.expect(1);
        schedule.put_last([2]);
        assert_eq!(schedule.take(), Some(0));
        assert_eq!(schedule.take(), None);
        schedule.finish(0);
        schedule.put_first(1);
        assert_eq!(schedule.take(), Some(1));
        assert_eq!(schedule.take(), None);
        schedule.finish(1);
        assert_eq!(schedule.take(), Some(2));
    }

    #[test]
    fn what_is_expected_and_not_asked_for_holds_nothing_up() {
        let mut schedule = schedule(&[&[], &[], &[1]]);
        schedule.expect(0);
        schedule.put_first(2);
        // Not 2, which is first but not ready.
        schedule.put_last([1]);
        assert_eq!(schedule.take(), Some(1));
    }

    #[test]
    fn nothing_is_loaded_twice() {
        let mut schedule = schedule(&[&[]]);
        schedule.put_first(0);
        schedule.put_first(0);
        assert_eq!(schedule.take(), Some(0));
        assert_eq!(schedule.take(), None);
        schedule.finish(0);
        schedule.put_first(0);
        assert!(schedule.is_done(0));
        assert_eq!(schedule.take(), None);
    }

    #[test]
    fn a_circle_is_entered_somewhere() {
        let mut schedule = schedule(&[&[1], &[0]]);
        schedule.put_first(0);
        assert_eq!(schedule.take(), Some(1));
        assert_eq!(schedule.take(), None);
        schedule.finish(1);
        assert_eq!(schedule.take(), Some(0));
    }

    #[test]
    fn what_is_not_in_the_initramfs_is_no_obstacle() {
        let mut schedule = schedule(&[&[9]]);
        schedule.put_first(0);
        schedule.put_first(7);
        assert!(schedule.is_done(7));
        assert_eq!(schedule.take(), Some(0));
    }
}
