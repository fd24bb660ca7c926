"""The tables of Caffe2's protocol buffers, as far as models need them."""

from __future__ import annotations

from workers.inspect.schema import Schema

_TEXT = """
message ExternalDataProto { int32 source_type = 1; string record_id = 2; uint64 record_size = 5; int64 offset = 3; }
message TensorProto {
  repeated int64 dims = 1;
  enum DataType {
    UNDEFINED = 0; FLOAT = 1; INT32 = 2; BYTE = 3; STRING = 4; BOOL = 5; UINT8 = 6; INT8 = 7; UINT16 = 8; INT16 = 9;
    INT64 = 10; FLOAT16 = 12; DOUBLE = 13; ZERO_COLLISION_HASH = 14; REBATCHING_BUFFER = 15;
  }
  DataType data_type = 2 [default = FLOAT];
  enum StorageType { TYPED = 1; RAW = 2; EXTERNAL = 3; NO_CONTENT = 4; }
  StorageType storage_type = 12 [default = TYPED];
  repeated float float_data = 3 [packed = true]; repeated int32 int32_data = 4 [packed = true]; bytes byte_data = 5;
  repeated bytes string_data = 6; repeated double double_data = 9 [packed = true];
  repeated int64 int64_data = 10 [packed = true]; bytes raw_data = 13; ExternalDataProto external_data = 14;
  string name = 7; DeviceOption device_detail = 8;
  message Segment { int64 begin = 1; int64 end = 2; } Segment segment = 11;
}
message QTensorProto {
  repeated int64 dims = 1; int32 precision = 2; double scale = 3; double bias = 4; bool is_signed = 5;
  repeated int32 data = 6 [packed = true]; string name = 7; int32 data_type = 8;
}
message TensorProtos { repeated TensorProto protos = 1; }
message TensorShape { repeated int64 dims = 1; int32 data_type = 2; string name = 5; bool unknown_shape = 4; }
message TensorShapes { repeated TensorShape shapes = 1; }
message Argument {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; TensorProto t = 10; NetDef n = 8; repeated float floats = 5;
  repeated int64 ints = 6; repeated bytes strings = 7; repeated TensorProto tensors = 11; repeated NetDef nets = 9;
  repeated QTensorProto qtensors = 12;
}
message DeviceOption {
  int32 device_type = 1; int32 device_id = 2; uint32 random_seed = 3; string node_name = 4; int32 numa_node_id = 5;
  repeated string extra_info = 6;
}
message OperatorDef {
  repeated string input = 1; repeated string output = 2; string name = 3; string type = 4; repeated Argument arg = 5;
  DeviceOption device_option = 6; string engine = 7; repeated string control_input = 8; bool is_gradient_op = 9;
  string debug_info = 10; string domain = 11; int64 op_version = 12;
}
message PartitionInfo { string name = 1; repeated int32 device_id = 2; string extra_info = 3; }
message NetDef {
  string name = 1; repeated OperatorDef op = 2; string type = 3; int32 num_workers = 4; DeviceOption device_option = 5;
  repeated Argument arg = 6; repeated string external_input = 7; repeated string external_output = 8;
  repeated PartitionInfo partition_info = 9;
}
message BlobProto {
  string name = 1; string type = 2; TensorProto tensor = 3; bytes content = 4; QTensorProto qtensor = 5;
  int32 content_num_chunks = 6; int32 content_chunk_id = 7;
}
message BlobsMap { string key = 1; repeated string value = 2; }
message NetsMap { string key = 1; NetDef value = 2; }
message StringMap { string key = 1; string value = 2; }
message MetaNetDef {
  repeated BlobsMap blobs = 1; repeated NetsMap nets = 2; repeated StringMap applicationSpecificInfo = 5;
  repeated string blobsOrder = 6; repeated string preLoadBlobs = 7; TensorShapes tensorBoundShapes = 8;
}
"""

SCHEMA = Schema(_TEXT)
NET, OPERATOR, ARGUMENT = SCHEMA["NetDef"], SCHEMA["OperatorDef"], SCHEMA["Argument"]
TENSOR, TENSORS, BLOB, META = (SCHEMA[name] for name in ("TensorProto", "TensorProtos", "BlobProto", "MetaNetDef"))
