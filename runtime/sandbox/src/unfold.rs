//! What a component comes to once all that stands within it is instantiated.
//!
//! A component can instantiate another one any number of times, and that one again others: twice at each
//! of thirty levels is a thousand million instances in a kilobyte. The compiler makes every one of them,
//! with an adapter for each function that one calls of another, before anybody counts them. So they are
//! counted here, without being made: what an instance weighs is known once its component has been read.

use std::collections::HashMap;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentFuncTypeId, ComponentValType,
};
use wasmparser::types::TypesRef;
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Payload, Validator, WasmFeatures,
};

use crate::SandboxError;
use crate::weight::invalid;

/// An instance weighs this much however little is in it.
const INSTANCE: u64 = 256;
/// And a function that crosses the border of an instance this much: its adapter takes some forty kilobytes.
const ADAPTER: u64 = 8_192;
/// And this much each value in what it takes and gives.
const VALUE: u64 = 16;

/// Modules and components that one file may have, its own counted: the compiler's memory grows with the
/// square of their number, and no more than `config::CORE_INSTANCES_MAX` can have instances.
const PARTS_MAX: usize = 256;

/// What is being read.
enum Scope {
    Module,
    Component(Level),
}

/// A component that is being read.
#[derive(Default)]
struct Level {
    /// What an instance of each component that it knows weighs; nothing of one that it is given.
    components: Vec<Option<u64>>,
    /// What an instance of itself weighs.
    weight: u64,
}

impl Level {
    fn add(&mut self, weight: u64, things: usize) {
        self.weight = self.weight.saturating_add(weight).saturating_add(things as u64);
    }

    fn component(&self, index: u32) -> Option<u64> {
        self.components.get(index as usize).copied().flatten()
    }
}

/// The weight of all instances, while a component is read part by part.
pub(crate) struct Unfolding {
    /// It knows the types of functions. Their code is not validated here.
    validator: Validator,
    scopes: Vec<Scope>,
    values: HashMap<ComponentDefinedTypeId, u64>,
    parts: usize,
    whole: u64,
}

impl Unfolding {
    pub(crate) fn new() -> Self {
        // What wasmtime does not take it refuses itself, in its own words.
        let validator = Validator::new_with_features(WasmFeatures::all());
        Self { validator, scopes: Vec::new(), values: HashMap::new(), parts: 0, whole: 0 }
    }

    /// What the whole weighs, once all of it has been read.
    pub(crate) const fn weight(&self) -> u64 {
        self.whole
    }

    /// Reads the next part.
    pub(crate) fn read(&mut self, payload: &Payload<'_>) -> Result<(), SandboxError> {
        if matches!(payload, Payload::Version { .. }) {
            self.parts += 1;
            if self.parts > PARTS_MAX {
                return Err(SandboxError::TooManyParts { limit: PARTS_MAX });
            }
        }
        self.validator.payload(payload).map_err(invalid)?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => self.scopes.push(Scope::Module),
            Payload::Version { encoding: Encoding::Component, .. } => {
                self.scopes.push(Scope::Component(Level::default()));
            }
            Payload::End(_) => self.end(),
            _ => self.read_section(payload)?,
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(Scope::Component(level)) = self.scopes.pop() {
            match self.scopes.last_mut() {
                Some(Scope::Component(around)) => around.components.push(Some(level.weight)),
                _ => self.whole = level.weight,
            }
        }
    }

    fn read_section(&mut self, payload: &Payload<'_>) -> Result<(), SandboxError> {
        let Some((Scope::Component(level), around)) = self.scopes.split_last_mut() else { return Ok(()) };
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    if matches!(import.map_err(invalid)?.ty, ComponentTypeRef::Component(_)) {
                        level.components.push(None);
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export.map_err(invalid)?;
                    // What is exported can be named once more.
                    if export.kind == ComponentExternalKind::Component {
                        level.components.push(level.component(export.index));
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    read_alias(&alias.map_err(invalid)?, level, around);
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    level.add(
                        INSTANCE,
                        match &instance.map_err(invalid)? {
                            Instance::Instantiate { args, .. } => args.len(),
                            Instance::FromExports(exports) => exports.len(),
                        },
                    );
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    read_instance(&instance.map_err(invalid)?, level)?;
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                let Some(types) = self.validator.types(0) else { return Ok(()) };
                for function in functions.clone() {
                    let of = match function.map_err(invalid)? {
                        CanonicalFunction::Lower { func_index, .. } => {
                            types.component_function_at(func_index)
                        }
                        CanonicalFunction::Lift { type_index, .. } => {
                            let ComponentAnyTypeId::Func(of) = types.component_any_type_at(type_index) else {
                                continue;
                            };
                            of
                        }
                        _ => {
                            level.add(INSTANCE, 0);
                            continue;
                        }
                    };
                    let values = values_of_function(types, of, &mut self.values);
                    level.add(values.saturating_mul(VALUE).saturating_add(ADAPTER), 0);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn read_alias(alias: &ComponentAlias<'_>, level: &mut Level, around: &[Scope]) {
    match alias {
        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
            level.components.push(None);
        }
        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
            let known = match (*count as usize).checked_sub(1) {
                None => level.component(*index),
                Some(up) => match around.iter().rev().nth(up) {
                    Some(Scope::Component(outer)) => outer.component(*index),
                    _ => None,
                },
            };
            level.components.push(known);
        }
        _ => level.add(1, 0),
    }
}

fn read_instance(instance: &ComponentInstance<'_>, level: &mut Level) -> Result<(), SandboxError> {
    match instance {
        ComponentInstance::Instantiate { component_index, args } => {
            // No tool makes such. What would come of it depends on who gives which component to whom.
            let known = level.component(*component_index).ok_or_else(|| SandboxError::Invalid {
                reason: "a component within it instantiates one that it is given".to_owned(),
            })?;
            level.add(known.saturating_add(INSTANCE), args.len());
        }
        ComponentInstance::FromExports(exports) => level.add(INSTANCE, exports.len()),
    }
    Ok(())
}

/// How many values a function takes and gives, those within others counted.
fn values_of_function(
    types: TypesRef<'_>,
    of: ComponentFuncTypeId,
    known: &mut HashMap<ComponentDefinedTypeId, u64>,
) -> u64 {
    let of = &types[of];
    let all = of.params.iter().map(|(_, of)| of).chain(&of.result);
    sum(all.map(|of| values(types, *of, known)))
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add)
}

/// The types of a component are not nested deeper than the validator lets them.
fn values(
    types: TypesRef<'_>,
    of: ComponentValType,
    known: &mut HashMap<ComponentDefinedTypeId, u64>,
) -> u64 {
    let ComponentValType::Type(id) = of else { return 1 };
    if let Some(values) = known.get(&id) {
        return *values;
    }
    let mut all =
        |parts: &mut dyn Iterator<Item = ComponentValType>| sum(parts.map(|of| values(types, of, known)));
    let within = match &types[id] {
        ComponentDefinedType::Record(record) => all(&mut record.fields.values().copied()),
        ComponentDefinedType::Variant(variant) => {
            let cases = variant.cases.len() as u64;
            all(&mut variant.cases.values().filter_map(|case| case.ty)).saturating_add(cases)
        }
        ComponentDefinedType::Tuple(tuple) => all(&mut tuple.types.iter().copied()),
        ComponentDefinedType::List { element, .. } | ComponentDefinedType::Option { ty: element, .. } => {
            all(&mut std::iter::once(*element))
        }
        ComponentDefinedType::FixedLengthList { element, length, .. } => {
            all(&mut std::iter::once(*element)).saturating_mul(u64::from(*length))
        }
        ComponentDefinedType::Map { key, value, .. } => all(&mut [*key, *value].into_iter()),
        ComponentDefinedType::Result { ok, err, .. } => all(&mut [*ok, *err].into_iter().flatten()),
        ComponentDefinedType::Flags(names) | ComponentDefinedType::Enum(names) => names.len() as u64,
        _ => 0,
    };
    let values = within.saturating_add(1);
    known.insert(id, values);
    values
}
