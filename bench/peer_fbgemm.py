"""A workload with tables that are updated by rows, in PyTorch with FBGEMM's batched tables on the CPU: row-wise Adagrad within the backward, fused
Adam for the rest. See peers.py. The formula is mtlc's rowwise_adagrad, as rowwise_sparse_adagrad_ref() of FBGEMM's src/RefImplementations.cc
has it: h += mean of g² over the row; w -= lr·g / (√h + eps)."""
from importlib.metadata import version

import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import BoundsCheckMode, EmbeddingLocation, PoolingMode
from fbgemm_gpu.split_table_batched_embeddings_ops_training import ComputeDevice, SplitTableBatchedEmbeddingBagsCodegen

import peer_torch
import workloads


class TablesB(peer_torch.B):
    rows = staticmethod(lambda tables, ids: tables(*ids))


def tables_of(name, table):
    """The tables as one module that holds the rows given."""
    sizes, (rate, eps) = workloads.WORKLOADS[name].sizes, workloads.ROWWISE
    out = SplitTableBatchedEmbeddingBagsCodegen(
        [(size, workloads.WIDTH, EmbeddingLocation.HOST, ComputeDevice.CPU) for size in sizes], optimizer=EmbOptimType.EXACT_ROWWISE_ADAGRAD,
        learning_rate=rate, eps=eps, pooling_mode=PoolingMode.SUM, bounds_check_mode=BoundsCheckMode.NONE)
    for to, rows in zip(out.split_embedding_weights(), torch.from_numpy(table).split(sizes)):
        to.data.copy_(rows)
    return out


def bags(name, ids):
    """ids [20, batch, f] rows of the one table → for each batch the indices, by table, and where each bag of one begins."""
    own = torch.from_numpy(ids).long() - torch.tensor(workloads.offsets(name))
    begin = torch.arange(own[0].numel() + 1)
    return [(part.t().reshape(-1), begin) for part in own]


def prepare(job):
    tables = tables_of(job.name, job.start.pop("table"))
    w = peer_torch.parameters(job)
    optimizers = [peer_torch.adam(w)]                          # the tables' is a part of their backward
    x, ids, y = job.parts
    parts = list(zip(torch.from_numpy(x).unbind(), bags(job.name, ids), torch.from_numpy(y).unbind()))

    def loss(x, ids, y):
        return workloads.loss(job.name, TablesB, {**w, "table": tables}, x, ids, y)

    return *peer_torch.trained(loss, optimizers, parts), {"torch": torch.__version__, "fbgemm_gpu": version("fbgemm-gpu-cpu")}
