//===- MemoryFunctions.cpp - memcpy, memmove, memset of our own -----------===//
//
// x86-64 has instructions for them; elsewhere they are loops, of 16 bytes and
// of single ones.
//
//===----------------------------------------------------------------------===//

#include "lowering/cpu/codegen/MemoryFunctions.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

using namespace llvm;

namespace {

/// ptr name(ptr destination, `second`, i64 count), empty, kept to the end.
Function *declare(Module &module, StringRef name, Type *second) {
  LLVMContext &context = module.getContext();
  Type *pointer = PointerType::getUnqual(context);
  auto *type = FunctionType::get(
      pointer, {pointer, second, Type::getInt64Ty(context)}, false);
  auto *function =
      cast<Function>(module.getOrInsertFunction(name, type).getCallee());
  function->setVisibility(GlobalValue::HiddenVisibility);
  function->addFnAttr(Attribute::NoUnwind);
  // Else the body is recognised as a call of the function itself.
  function->addFnAttr("no-builtins");
  appendToUsed(module, {function});
  return function;
}

/// Runs a string instruction over (rdi, rsi or al, rcx).
void callString(IRBuilder<> &builder, Value *destination, Value *second,
                Value *count, StringRef text, StringRef secondRegister) {
  Type *pointer = destination->getType(), *integer = count->getType();
  Type *result = StructType::get(pointer, integer);
  std::string constraints = "={rdi},={rcx},0,1,{" + secondRegister.str() +
                            "},~{memory},~{dirflag},~{fpsr},~{flags}";
  if (second->getType()->isPointerTy()) {
    result = StructType::get(pointer, integer, pointer);
    constraints =
        "={rdi},={rcx},={rsi},0,1,2,~{memory},~{dirflag},~{fpsr},~{flags}";
  }
  auto *type =
      FunctionType::get(result, {pointer, integer, second->getType()}, false);
  builder.CreateCall(InlineAsm::get(type, text, constraints, true),
                     {destination, count, second});
}

/// for (i = first; i + step <= last; i += step) body(i); returns the last i.
Value *forLoop(IRBuilder<> &builder, Value *first, Value *last, uint64_t step,
               function_ref<void(Value *)> body) {
  LLVMContext &context = builder.getContext();
  BasicBlock *before = builder.GetInsertBlock();
  auto makeBlock = [&] {
    return BasicBlock::Create(context, "", before->getParent());
  };
  BasicBlock *head = makeBlock(), *inside = makeBlock(), *after = makeBlock();
  builder.CreateBr(head);
  builder.SetInsertPoint(head);
  PHINode *i = builder.CreatePHI(first->getType(), 2);
  i->addIncoming(first, before);
  Value *left = builder.CreateSub(last, i);
  builder.CreateCondBr(builder.CreateICmpUGE(left, builder.getInt64(step)),
                       inside, after);
  builder.SetInsertPoint(inside);
  body(i);
  i->addIncoming(builder.CreateAdd(i, builder.getInt64(step)), inside);
  builder.CreateBr(head);
  builder.SetInsertPoint(after);
  return i;
}

/// A loop of 16 bytes, then one of single bytes: body(offset, type).
void forBytes(IRBuilder<> &builder, Value *count,
              function_ref<void(Value *, Type *)> body) {
  Type *byte = builder.getInt8Ty(), *vector = FixedVectorType::get(byte, 16);
  Value *done = forLoop(builder, builder.getInt64(0), count, 16,
                        [&](Value *i) { body(i, vector); });
  forLoop(builder, done, count, 1, [&](Value *i) { body(i, byte); });
}

void moveBytes(IRBuilder<> &builder, Value *to, Value *from, Value *offset,
               Type *type) {
  Value *bytes = builder.CreateAlignedLoad(
      type, builder.CreatePtrAdd(from, offset), Align(1));
  builder.CreateAlignedStore(bytes, builder.CreatePtrAdd(to, offset), Align(1));
}

/// Copies from the first byte to the last.
void copyForward(IRBuilder<> &builder, bool hasStrings, Value *to, Value *from,
                 Value *count) {
  if (hasStrings)
    return callString(builder, to, from, count, "rep movsb", "rsi");
  forBytes(builder, count, [&](Value *offset, Type *type) {
    moveBytes(builder, to, from, offset, type);
  });
}

/// Copies from the last byte to the first.
void copyBackward(IRBuilder<> &builder, bool hasStrings, Value *to, Value *from,
                  Value *count) {
  Value *last = builder.CreateSub(count, builder.getInt64(1));
  if (hasStrings)
    return callString(builder, builder.CreatePtrAdd(to, last),
                      builder.CreatePtrAdd(from, last), count,
                      "std; rep movsb; cld", "rsi");
  forLoop(builder, builder.getInt64(0), count, 1, [&](Value *i) {
    moveBytes(builder, to, from, builder.CreateSub(last, i),
              builder.getInt8Ty());
  });
}

void defineCopy(Module &module, bool hasStrings) {
  Function *copy =
      declare(module, "memcpy", PointerType::getUnqual(module.getContext()));
  IRBuilder<> builder(BasicBlock::Create(module.getContext(), "", copy));
  copyForward(builder, hasStrings, copy->getArg(0), copy->getArg(1),
              copy->getArg(2));
  builder.CreateRet(copy->getArg(0));
}

void defineMove(Module &module, bool hasStrings) {
  LLVMContext &context = module.getContext();
  Function *move = declare(module, "memmove", PointerType::getUnqual(context));
  Value *to = move->getArg(0), *from = move->getArg(1),
        *count = move->getArg(2);
  auto *entry = BasicBlock::Create(context, "", move);
  auto *forward = BasicBlock::Create(context, "", move);
  auto *backward = BasicBlock::Create(context, "", move);
  IRBuilder<> builder(entry);
  // Forward is right unless the destination begins inside the source.
  Type *integer = count->getType();
  Value *distance = builder.CreateSub(builder.CreatePtrToInt(to, integer),
                                      builder.CreatePtrToInt(from, integer));
  builder.CreateCondBr(builder.CreateICmpUGE(distance, count), forward,
                       backward);
  builder.SetInsertPoint(forward);
  copyForward(builder, hasStrings, to, from, count);
  builder.CreateRet(to);
  builder.SetInsertPoint(backward);
  copyBackward(builder, hasStrings, to, from, count);
  builder.CreateRet(to);
}

void defineSet(Module &module, bool hasStrings) {
  LLVMContext &context = module.getContext();
  Function *set = declare(module, "memset", Type::getInt32Ty(context));
  IRBuilder<> builder(BasicBlock::Create(context, "", set));
  Value *to = set->getArg(0), *value = set->getArg(1), *count = set->getArg(2);
  if (hasStrings) {
    callString(builder, to, value, count, "rep stosb", "eax");
  } else {
    Value *byte = builder.CreateTrunc(value, builder.getInt8Ty());
    Value *vector = builder.CreateVectorSplat(16, byte);
    forBytes(builder, count, [&](Value *offset, Type *type) {
      builder.CreateAlignedStore(type->isVectorTy() ? vector : byte,
                                 builder.CreatePtrAdd(to, offset), Align(1));
    });
  }
  builder.CreateRet(to);
}

} // namespace

void lq::cpu::addMemoryFunctions(Module &module) {
  bool hasStrings = module.getTargetTriple().isX86();
  defineCopy(module, hasStrings);
  defineMove(module, hasStrings);
  defineSet(module, hasStrings);
}
