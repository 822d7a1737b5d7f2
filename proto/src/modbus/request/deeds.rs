//! What would a request do?

use core::ops::ControlFlow;

use super::{Call, Groups, Request, registers};
use crate::{
    deed::{Deed, ObjectId, Values},
    modbus::{
        function,
        tables::{
            COIL, DEVICE_ID, DIAGNOSTIC, EVENT_COUNTER, EVENT_LOG, EXCEPTION_STATUS, FIFO, FILE, FUNCTION, HOLDING,
            SERVER_ID,
        },
    },
    vocab::Class,
};

impl Request<'_> {
    /// Visits the deeds in the order in which the device does them.
    pub(crate) fn deeds<B>(&self, each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        match self.call {
            Call::Read { space, first, count } => each(self.deed(Class::Read, space.object(), first, count)),
            Call::WriteCoil { address, on } => {
                each(Deed { values: Values::Bit(on), ..self.deed(Class::Write, COIL, address, 1) })
            }
            Call::WriteRegister { address, value } => self.register(address, value, each),
            Call::WriteCoils { first, bits } => bits.lend(|values| {
                let deed = self.deed(Class::Write, COIL, first, bits.count());
                each(Deed { values, ..deed })
            }),
            Call::WriteRegisters { first, words } => each(self.registers(first, words)),
            Call::Mask { address, and, or } => self.mask(address, and, or, each),
            Call::ReadWrite { read_first, read_count, write_first, words } => {
                each(self.registers(write_first, words))?;
                each(self.deed(Class::Read, HOLDING, read_first, read_count))
            }
            Call::Bare { function } => each(self.bare(function)),
            Call::Diagnostic { sub, .. } => each(self.deed(Class::Diagnose, DIAGNOSTIC, sub, 1)),
            Call::ReadFiles(groups) => self.files(Class::Read, groups, each),
            Call::WriteFiles(groups) => self.files(Class::Write, groups, each),
            Call::Fifo { pointer } => each(self.deed(Class::Read, FIFO, pointer, 1)),
            Call::DeviceId { code, .. } => each(self.deed(Class::Identify, DEVICE_ID, u16::from(code), 1)),
            Call::Opaque { function, payload } => each(self.opaque(function, payload)),
        }
    }

    /// One deed per bit that the mask affects: a rule for one bit must not admit its neighbour. A mask that keeps no bit
    /// writes the whole register; one that affects none still is a write, without values.
    ///
    /// A bit of `or` that `and` keeps stays as it is by the standard (Application Protocol 6.16), and there are devices
    /// that set it: `(current AND and) OR or`. It counts as set, so that a rule must allow what either kind makes of it.
    fn mask<B>(
        &self,
        address: u16,
        and: u16,
        or: u16,
        each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let deed = self.deed(Class::Write, HOLDING, address, 1);
        match (and, or) {
            (0, _) => self.register(address, or, each),
            (0xFFFF, 0) => each(Deed { values: Values::Words(&[]), ..deed }),
            _ => {
                for n in 0..16u8 {
                    let bit = 1u16.checked_shl(u32::from(n)).unwrap_or(0);
                    if and & bit == 0 || or & bit != 0 {
                        each(Deed { bit: Some(n), values: Values::Bit(or & bit != 0), ..deed })?;
                    }
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn register<B>(
        &self,
        address: u16,
        value: u16,
        each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        each(self.registers(address, &value.to_be_bytes()))
    }

    fn registers<'w>(&self, first: u16, words: &'w [u8]) -> Deed<'w> {
        Deed { values: Values::Words(words), ..self.deed(Class::Write, HOLDING, first, registers(words)) }
    }

    fn bare(&self, function: u8) -> Deed<'static> {
        let (class, object) = match function {
            function::EXCEPTION_STATUS => (Class::Diagnose, EXCEPTION_STATUS),
            function::EVENT_COUNTER => (Class::Diagnose, EVENT_COUNTER),
            function::EVENT_LOG => (Class::Diagnose, EVENT_LOG),
            _ => (Class::Identify, SERVER_ID),
        };
        self.deed(class, object, 0, 1)
    }

    /// One deed for each group; its index is file * 65536 + record, as `file F:R-R` is held.
    fn files<B>(
        &self,
        class: Class,
        groups: Groups<'_>,
        each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let writes = class == Class::Write;
        for group in groups.each(writes) {
            let first = u32::from(group.file).saturating_mul(0x1_0000).saturating_add(u32::from(group.record));
            let last = first.saturating_add(u32::from(group.length)).saturating_sub(1);
            let values = if writes { Values::Words(group.words) } else { Values::None };
            each(Deed { first, last, values, ..self.deed(class, FILE, 0, 1) })?;
        }
        ControlFlow::Continue(())
    }

    fn opaque(&self, function: u8, payload: &[u8]) -> Deed<'static> {
        let sub = if function == function::ENCAPSULATED { payload.first().copied() } else { None };
        // `function 43/13` is held as code + 256 * (sub + 1).
        let code = u32::from(function) | sub.map_or(0, |sub| u32::from(sub).saturating_add(1).saturating_mul(256));
        let deed = self.deed(Class::Program, FUNCTION, 0, 1);
        Deed { first: code, last: code, ..deed }
    }

    fn deed(&self, class: Class, object: ObjectId, first: u16, count: u16) -> Deed<'static> {
        let last = u32::from(first).saturating_add(u32::from(count)).saturating_sub(1);
        Deed {
            class,
            object,
            unit: self.unit(),
            function: self.function(),
            first: u32::from(first),
            last,
            bit: None,
            values: Values::None,
        }
    }
}
