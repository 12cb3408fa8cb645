//! What compiling a component would take, read from it before anything is compiled.
//!
//! The compiler's memory follows less from a file's size than from what stands in it: a few
//! kilobytes of blocks within blocks, or of calls with a thousand arguments, can take gigabytes and
//! hours. So each function is given a weight, in about the number of values that the compiler holds
//! for it. It is measured for the worst code that has it; what compilers of ordinary languages write
//! stays far below. Time cannot be read from code like this, so `compile.rs` bounds it otherwise. What
//! stands around the functions is weighed in `unfold.rs`.

use wasmparser::{
    BlockType, CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeRef, TypeSectionReader,
};

use crate::SandboxError;
use crate::unfold::Unfolding;

/// A function weighs this much however short it is.
const FUNCTION: u64 = 32;

/// What a component may have, at most, to be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentLimits {
    /// The bytes of the file.
    pub component_max_bytes: u64,
    /// The weight of all its functions together: what stays in memory until all are compiled.
    pub component_max_weight: u64,
    /// The weight of one function: what the compiler holds at once, in values of about a kilobyte.
    pub function_max_weight: u64,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self { component_max_bytes: 64 << 20, component_max_weight: 64 << 20, function_max_weight: 1 << 20 }
    }
}

/// Refuses what is no whole component, and what would take too much to compile.
pub fn check_component(bytes: &[u8], limits: &ComponentLimits) -> Result<(), SandboxError> {
    crate::component::check(bytes, limits.component_max_bytes)?;
    weigh(bytes, limits).map(|_| ())
}

/// What one module has said of itself so far.
#[derive(Default)]
struct Module {
    /// How many values each type of function takes and gives; other types have none.
    types: Vec<u64>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    /// How many functions have had their code.
    seen: usize,
    imported: usize,
}

impl Module {
    fn values_of_type(&self, index: u32) -> u64 {
        self.types.get(index as usize).copied().unwrap_or_default()
    }

    fn values_of_function(&self, index: u32) -> u64 {
        self.functions.get(index as usize).map_or(0, |of| self.values_of_type(*of))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
pub(crate) fn invalid(error: wasmparser::BinaryReaderError) -> SandboxError {
    SandboxError::Invalid { reason: error.to_string() }
}

/// The weight of all functions of all modules, and of all instances.
pub(crate) fn weigh(bytes: &[u8], limits: &ComponentLimits) -> Result<u64, SandboxError> {
    let mut total = 0;
    // Modules and components within each other; only modules have functions.
    let mut around = Vec::new();
    let mut module = Module::default();
    let mut unfolding = Unfolding::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        unfolding.read(&payload)?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                around.push(std::mem::take(&mut module));
            }
            Payload::End(_) => module = around.pop().unwrap_or_default(),
            Payload::TypeSection(types) => read_types(types, &mut module)?,
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Func(of) | TypeRef::FuncExact(of) = import.map_err(invalid)?.ty {
                        module.functions.push(of);
                        module.imported += 1;
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for of in functions {
                    module.functions.push(of.map_err(invalid)?);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let index = module.imported + module.seen;
                module.seen += 1;
                let weight = function(&body, &module, index, limits.function_max_weight)?;
                total = add(total, weight, "its functions together", limits.component_max_weight)?;
            }
            _ => {}
        }
    }
    let what = "its functions, with all instances within it and their calls of each other,";
    add(total, unfolding.weight(), what, limits.component_max_weight)
}

fn add(total: u64, weight: u64, what: &str, limit: u64) -> Result<u64, SandboxError> {
    let weight = total.saturating_add(weight);
    if weight > limit {
        return Err(SandboxError::TooHeavy { what: what.into(), name: "component_max_weight", limit });
    }
    Ok(weight)
}

fn read_types(types: TypeSectionReader<'_>, module: &mut Module) -> Result<(), SandboxError> {
    for group in types {
        for of in group.map_err(invalid)?.into_types() {
            module.types.push(match &of.composite_type.inner {
                CompositeInnerType::Func(of) => (of.params().len() + of.results().len()) as u64,
                _ => 0,
            });
        }
    }
    Ok(())
}

/// Where its instructions stand, and what they hold.
#[derive(Default)]
struct Shape {
    depth: u64,
    deepest: u64,
    held: u64,
}

impl Shape {
    fn open(&mut self, values: u64) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.held += values;
    }
}

fn function(body: &FunctionBody<'_>, module: &Module, index: usize, limit: u64) -> Result<u64, SandboxError> {
    let too_heavy = || SandboxError::TooHeavy {
        what: format!("function {index} of one of its modules"),
        name: "function_max_weight",
        limit,
    };
    let mut locals = u32::try_from(index).map_or(0, |index| module.values_of_function(index));
    for group in body.get_locals_reader().map_err(invalid)? {
        locals += u64::from(group.map_err(invalid)?.0);
    }
    let mut shape = Shape::default();
    let block = |of: BlockType| match of {
        BlockType::FuncType(of) => module.values_of_type(of),
        BlockType::Empty | BlockType::Type(_) => 1,
    };
    let mut operators = body.get_operators_reader().map_err(invalid)?;
    while !operators.eof() {
        shape.held += 1;
        match operators.read().map_err(invalid)? {
            Operator::Block { blockty } | Operator::If { blockty } | Operator::Loop { blockty } => {
                shape.open(block(blockty));
            }
            Operator::TryTable { try_table } => shape.open(block(try_table.ty)),
            Operator::End => shape.depth = shape.depth.saturating_sub(1),
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                shape.held += module.values_of_function(function_index);
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. }
            | Operator::CallRef { type_index }
            | Operator::ReturnCallRef { type_index } => shape.held += module.values_of_type(type_index),
            Operator::BrTable { targets } => shape.held += u64::from(targets.len()),
            _ => {}
        }
        // A local that is changed deep inside may be another at the end of each block around it.
        if shape.held.saturating_add(shape.deepest.saturating_mul(locals)) > limit {
            return Err(too_heavy());
        }
    }
    Ok(FUNCTION + shape.held + shape.deepest * locals)
}
