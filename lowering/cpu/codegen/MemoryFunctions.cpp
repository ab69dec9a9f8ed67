//===- MemoryFunctions.cpp - memcpy, memmove, memset of our own -----------===//

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

void defineCopy(Module &module) {
  Function *copy =
      declare(module, "memcpy", PointerType::getUnqual(module.getContext()));
  IRBuilder<> builder(BasicBlock::Create(module.getContext(), "", copy));
  callString(builder, copy->getArg(0), copy->getArg(1), copy->getArg(2),
             "rep movsb", "rsi");
  builder.CreateRet(copy->getArg(0));
}

void defineMove(Module &module) {
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
  callString(builder, to, from, count, "rep movsb", "rsi");
  builder.CreateRet(to);
  builder.SetInsertPoint(backward);
  Value *last = builder.CreateSub(count, builder.getInt64(1));
  callString(builder, builder.CreatePtrAdd(to, last),
             builder.CreatePtrAdd(from, last), count, "std; rep movsb; cld",
             "rsi");
  builder.CreateRet(to);
}

void defineSet(Module &module) {
  LLVMContext &context = module.getContext();
  Function *set = declare(module, "memset", Type::getInt32Ty(context));
  IRBuilder<> builder(BasicBlock::Create(context, "", set));
  callString(builder, set->getArg(0), set->getArg(1), set->getArg(2),
             "rep stosb", "eax");
  builder.CreateRet(set->getArg(0));
}

} // namespace

void lq::cpu::addMemoryFunctions(Module &module) {
  defineCopy(module);
  defineMove(module);
  defineSet(module);
}
