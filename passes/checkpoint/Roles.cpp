//===- Roles.cpp - names of weights from what reads them ------------------===//

#include "passes/checkpoint/Roles.h"
#include "dialects/lq/LqOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

using namespace mlir;
using namespace lq;
using namespace lq::checkpoint;

namespace {

/// A module's name in each family; {} where the family has no such module.
struct ModuleNames {
  StringRef llama, gpt2, neox;
};

constexpr ModuleNames query{"self_attn.q_proj", "", ""};
constexpr ModuleNames key{"self_attn.k_proj", "", ""};
constexpr ModuleNames value{"self_attn.v_proj", "", ""};
constexpr ModuleNames fused{"self_attn.qkv_proj", "attn.c_attn",
                            "attention.query_key_value"};
constexpr ModuleNames queryNorm{"self_attn.q_norm", "", ""};
constexpr ModuleNames keyNorm{"self_attn.k_norm", "", ""};
constexpr ModuleNames output{"self_attn.o_proj", "attn.c_proj",
                             "attention.dense"};
constexpr ModuleNames gate{"mlp.gate_proj", "", ""};
constexpr ModuleNames up{"mlp.up_proj", "mlp.c_fc", "mlp.dense_h_to_4h"};
constexpr ModuleNames gateUp{"mlp.gate_up_proj", "", ""};
constexpr ModuleNames down{"mlp.down_proj", "mlp.c_proj", "mlp.dense_4h_to_h"};
constexpr ModuleNames firstNorm{"input_layernorm", "ln_1", "input_layernorm"};
constexpr ModuleNames secondNorm{"post_attention_layernorm", "ln_2",
                                 "post_attention_layernorm"};
// Of a layer that norms what it adds, too (Gemma): there the name of the norm
// before other models' feed-forward is that of the one after the attention.
constexpr ModuleNames attentionNorm{"post_attention_layernorm", "", ""};
constexpr ModuleNames beforeFeedForward{"pre_feedforward_layernorm", "", ""};
constexpr ModuleNames feedForwardNorm{"post_feedforward_layernorm", "", ""};
constexpr ModuleNames lastNorm{"model.norm", "transformer.ln_f",
                               "gpt_neox.final_layer_norm"};
constexpr ModuleNames tokens{"model.embed_tokens", "transformer.wte",
                             "gpt_neox.embed_in"};
constexpr ModuleNames learnedPositions{"", "transformer.wpe", ""};
constexpr ModuleNames head{"lm_head", "lm_head", "embed_out"};

class RoleFinder {
public:
  Roles find(ModuleOp module) {
    module.walk([&](Operation *op) { visit(op); });
    module.walk([&](func::ReturnOp op) { visitResults(op); });
    return std::move(roles);
  }

private:
  void visit(Operation *op);
  void visitAttention(AttentionOp op);
  void visitResults(func::ReturnOp op);
  void nameProjection(Value heads, const ModuleNames &names,
                      const ModuleNames &norm);
  void nameLinear(Operation *op, const ModuleNames &names);
  void nameNormBefore(Value x, const ModuleNames &names);
  void nameReaders(Value value, const ModuleNames &names,
                   const ModuleNames &norm);
  bool nameNormsAfter(Value value, const ModuleNames &names);
  void name(OpOperand &operand, const ModuleNames &names, StringRef suffix);

  Roles roles;
  int64_t layer = -1;
  /// The layer norms what its attention adds.
  bool normsOutputs = false;
  /// Names are those of whole modules, without a layer.
  bool isOutside = false;
};

/// The value that `value` is a view or part of.
Value stripShape(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp,
             tensor::ExtractSliceOp, tensor::CastOp, PermuteOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

} // namespace

void RoleFinder::name(OpOperand &operand, const ModuleNames &names,
                      StringRef suffix) {
  RoleNames &all = roles[&operand];
  if (!all.empty())
    return;
  auto add = [&](StringRef prefix, StringRef module) {
    if (module.empty())
      return;
    std::string text =
        isOutside ? module.str() : (prefix + Twine(layer) + "." + module).str();
    text += ("." + suffix).str();
    if (!llvm::is_contained(all, text))
      all.push_back(text);
  };
  add("model.layers.", names.llama);
  add("transformer.h.", names.gpt2);
  add("gpt_neox.layers.", names.neox);
}

void RoleFinder::nameLinear(Operation *op, const ModuleNames &names) {
  auto linear = dyn_cast_if_present<LinearOp>(op);
  if (!linear)
    return;
  name(linear.getWeightMutable(), names, "weight");
  for (OpOperand &bias : linear.getBiasMutable())
    name(bias, names, "bias");
}

/// Names the norm that gives `x`.
void RoleFinder::nameNormBefore(Value x, const ModuleNames &names) {
  Operation *op = stripShape(x).getDefiningOp();
  if (auto norm = dyn_cast_if_present<RmsNormOp>(op)) {
    name(norm.getGammaMutable(), names, "weight");
  } else if (auto norm = dyn_cast_if_present<LayerNormOp>(op)) {
    name(norm.getGammaMutable(), names, "weight");
    for (OpOperand &beta : norm.getBetaMutable())
      name(beta, names, "bias");
  }
}

/// Names the linear behind queries, keys or values, and the norm before it; one
/// linear may give them all.
void RoleFinder::nameProjection(Value heads, const ModuleNames &names,
                                const ModuleNames &norm) {
  bool isPart = false;
  while (Operation *op = heads.getDefiningOp()) {
    if (isa<RmsNormOp>(op))
      nameNormBefore(heads, norm);
    else if (isa<tensor::ExtractSliceOp>(op))
      isPart = true;
    else if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, RopeOp,
                  AppendOp, tensor::CastOp>(op))
      break;
    heads = op->getOperand(0);
  }
  auto linear = heads.getDefiningOp<LinearOp>();
  if (!linear)
    return;
  nameLinear(linear, isPart ? fused : names);
  nameNormBefore(linear.getX(), firstNorm);
}

/// Whether a linear reads a value.
static bool isReadByLinear(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return isa<LinearOp>(user) ||
           (isa<tensor::ExtractSliceOp, tensor::CollapseShapeOp,
                tensor::CastOp>(user) &&
            isReadByLinear(user->getResult(0)));
  });
}

/// Names the norms of a value that is then added, not given to a linear; false
/// if there is none.
bool RoleFinder::nameNormsAfter(Value value, const ModuleNames &names) {
  bool found = false;
  for (Operation *user : value.getUsers()) {
    auto norm = dyn_cast<RmsNormOp>(user);
    if (norm && !isReadByLinear(norm)) {
      name(norm.getGammaMutable(), names, "weight");
      found = true;
    } else if (isa<tensor::ExtractSliceOp, tensor::CastOp>(user)) {
      found |= nameNormsAfter(user->getResult(0), names);
    }
  }
  return found;
}

/// Names the linears that read a value, and the norms of what they give.
void RoleFinder::nameReaders(Value value, const ModuleNames &names,
                             const ModuleNames &norm) {
  for (Operation *user : value.getUsers()) {
    if (isa<tensor::CollapseShapeOp, tensor::CastOp, PermuteOp>(user)) {
      nameReaders(user->getResult(0), names, norm);
      continue;
    }
    nameLinear(user, names);
    if (isa<LinearOp>(user))
      normsOutputs |= nameNormsAfter(user->getResult(0), norm);
  }
}

void RoleFinder::visitAttention(AttentionOp op) {
  ++layer;
  normsOutputs = false;
  nameProjection(op.getQ(), query, queryNorm);
  nameProjection(op.getK(), key, keyNorm);
  nameProjection(op.getV(), value, {});
  nameReaders(op.getResult(), output, attentionNorm);
}

void RoleFinder::visit(Operation *op) {
  if (auto attention = dyn_cast<AttentionOp>(op))
    return visitAttention(attention);
  if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
    isOutside = true;
    name(embedding.getTableMutable(),
         isa<BlockArgument>(embedding.getIds()) ? tokens : learnedPositions,
         "weight");
    isOutside = false;
    return;
  }
  if (layer < 0 || !isa<GluOp, ActivationOp>(op))
    return;
  auto glu = dyn_cast<GluOp>(op);
  bool isPart = glu && glu.getGate().getDefiningOp<tensor::ExtractSliceOp>();
  if (glu && !isPart)
    nameLinear(stripShape(glu.getGate()).getDefiningOp(), gate);
  Operation *last =
      stripShape(glu ? glu.getUp() : op->getOperand(0)).getDefiningOp();
  nameLinear(last, isPart ? gateUp : up);
  if (auto linear = dyn_cast_if_present<LinearOp>(last))
    nameNormBefore(linear.getX(),
                   normsOutputs ? beforeFeedForward : secondNorm);
  nameReaders(op->getResult(0), down, feedForwardNorm);
}

/// The linear whose result the model returns, and the norm before it.
void RoleFinder::visitResults(func::ReturnOp op) {
  isOutside = true;
  for (Value result : op.getOperands())
    if (auto linear = stripShape(result).getDefiningOp<LinearOp>()) {
      nameLinear(linear, head);
      nameNormBefore(linear.getX(), lastNorm);
    }
}

Roles checkpoint::findRoles(ModuleOp module) {
  return RoleFinder().find(module);
}
