"""The tables of Paddle's protocol buffers, as far as inference programs need them."""

from __future__ import annotations

from workers.inspect.schema import Schema

_TEXT = """
message Version { int64 version = 1; }
message TensorDesc { int32 data_type = 1; repeated int64 dims = 2; }
message LoDTensorDesc { TensorDesc tensor = 1; int32 lod_level = 2; }
message VarType {
  int32 type = 1; TensorDesc selected_rows = 2; LoDTensorDesc lod_tensor = 3; LoDTensorDesc tensor_array = 4;
}
message VarDesc { string name = 1; VarType type = 2; bool persistable = 3; }
message Slot { string parameter = 1; repeated string arguments = 2; }
message Complex { double r = 1; double i = 2; }
message Scalar { int32 type = 1; bool b = 2; int64 i = 3; double r = 4; Complex c = 5; }
message Attr {
  string name = 1; int32 type = 2; int32 i = 3; float f = 4; string s = 5; repeated int32 ints = 6;
  repeated float floats = 7; repeated string strings = 8; bool b = 10; repeated bool bools = 11; int32 block_idx = 12;
  int64 l = 13; repeated int32 blocks_idx = 14; repeated int64 longs = 15; repeated double float64s = 16;
  string var_name = 17; repeated string vars_name = 18; double float64 = 19; Scalar scalar = 20;
  repeated Scalar scalars = 21;
}
message OpDesc { string type = 3; repeated Slot inputs = 1; repeated Slot outputs = 2; repeated Attr attrs = 4; }
message BlockDesc { int32 idx = 1; int32 parent_idx = 2; repeated VarDesc vars = 3; repeated OpDesc ops = 4; }
message OpVersion { int32 version = 1; }
message OpVersionPair { string op_name = 1; OpVersion op_version = 2; }
message OpVersionMap { repeated OpVersionPair pair = 1; }
message ProgramDesc { repeated BlockDesc blocks = 1; Version version = 4; OpVersionMap op_version_map = 5; }
"""

SCHEMA = Schema(_TEXT)
PROGRAM, TENSOR = SCHEMA["ProgramDesc"], SCHEMA["TensorDesc"]
