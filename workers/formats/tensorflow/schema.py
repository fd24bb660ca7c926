"""TensorFlow's messages, as far as a network needs them (package tensorflow)."""

from __future__ import annotations

from workers.inspect.schema import Schema

_TEXT = """
enum DataType {
  DT_INVALID = 0; DT_FLOAT = 1; DT_DOUBLE = 2; DT_INT32 = 3; DT_UINT8 = 4; DT_INT16 = 5; DT_INT8 = 6; DT_STRING = 7;
  DT_COMPLEX64 = 8; DT_INT64 = 9; DT_BOOL = 10; DT_QINT8 = 11; DT_QUINT8 = 12; DT_QINT32 = 13; DT_BFLOAT16 = 14;
  DT_QINT16 = 15; DT_QUINT16 = 16; DT_UINT16 = 17; DT_COMPLEX128 = 18; DT_HALF = 19; DT_RESOURCE = 20; DT_VARIANT = 21;
  DT_UINT32 = 22; DT_UINT64 = 23; DT_FLOAT8_E5M2 = 24; DT_FLOAT8_E4M3FN = 25; DT_INT4 = 29; DT_UINT4 = 30;
  DT_FLOAT_REF = 101; DT_DOUBLE_REF = 102; DT_INT32_REF = 103; DT_UINT8_REF = 104; DT_INT16_REF = 105;
  DT_INT8_REF = 106; DT_STRING_REF = 107; DT_COMPLEX64_REF = 108; DT_INT64_REF = 109; DT_BOOL_REF = 110;
  DT_BFLOAT16_REF = 114; DT_UINT16_REF = 117; DT_HALF_REF = 119; DT_RESOURCE_REF = 120;
}
message TensorShapeProto {
  message Dim { int64 size = 1; string name = 2; }
  repeated Dim dim = 2; bool unknown_rank = 3;
}
message TensorProto {
  DataType dtype = 1; TensorShapeProto tensor_shape = 2; int32 version_number = 3; bytes tensor_content = 4;
  repeated float float_val = 5 [packed = true]; repeated double double_val = 6 [packed = true];
  repeated int32 int_val = 7 [packed = true]; repeated bytes string_val = 8;
  repeated float scomplex_val = 9 [packed = true]; repeated int64 int64_val = 10 [packed = true];
  repeated bool bool_val = 11 [packed = true]; repeated double dcomplex_val = 12 [packed = true];
  repeated int32 half_val = 13 [packed = true]; repeated uint32 uint32_val = 16 [packed = true];
  repeated uint64 uint64_val = 17 [packed = true];
}
message ListValue {
  repeated bytes s = 2; repeated int64 i = 3 [packed = true]; repeated float f = 4 [packed = true];
  repeated bool b = 5 [packed = true]; repeated DataType type = 6 [packed = true];
  repeated TensorShapeProto shape = 7; repeated TensorProto tensor = 8; repeated NameAttrList func = 9;
}
message NameAttrList { string name = 1; map<string, AttrValue> attr = 2; }
message AttrValue {
  ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; DataType type = 6; TensorShapeProto shape = 7;
  TensorProto tensor = 8; string placeholder = 9; NameAttrList func = 10;
}
message NodeDef {
  string name = 1; string op = 2; repeated string input = 3; string device = 4; map<string, AttrValue> attr = 5;
}
message ArgDef {
  string name = 1; DataType type = 3; string type_attr = 4; string number_attr = 5; string type_list_attr = 6;
}
message OpDef { string name = 1; repeated ArgDef input_arg = 2; repeated ArgDef output_arg = 3; }
message FunctionDef {
  OpDef signature = 1; repeated NodeDef node_def = 3; map<string, string> ret = 4; map<string, AttrValue> attr = 5;
  map<string, string> control_ret = 6;
}
message GradientDef { string function_name = 1; string gradient_func = 2; }
message FunctionDefLibrary { repeated FunctionDef function = 1; repeated GradientDef gradient = 2; }
message VersionDef { int32 producer = 1; int32 min_consumer = 2; repeated int32 bad_consumers = 3; }
message GraphDef {
  repeated NodeDef node = 1; FunctionDefLibrary library = 2; int32 version = 3; VersionDef versions = 4;
}
message CooSparse {
  string values_tensor_name = 1; string indices_tensor_name = 2; string dense_shape_tensor_name = 3;
}
message TensorInfo { string name = 1; DataType dtype = 2; TensorShapeProto tensor_shape = 3; CooSparse coo_sparse = 4; }
message SignatureDef {
  map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3;
}
message MetaInfoDef { repeated string tags = 4; string tensorflow_version = 5; }
message SaverDef {
  string filename_tensor_name = 1; string save_tensor_name = 2; string restore_op_name = 3; int32 version = 7;
}
message MetaGraphDef {
  MetaInfoDef meta_info_def = 1; GraphDef graph_def = 2; SaverDef saver_def = 3;
  map<string, SignatureDef> signature_def = 5;
}
message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }

message FunctionName { message Signature { string name = 1; } Signature signature = 1; }
message SparedLibrary { repeated bytes function = 1; }
message SparedGraphDef { repeated NodeDef node = 1; SparedLibrary library = 2; VersionDef versions = 4; }
message SparedMetaGraphDef {
  MetaInfoDef meta_info_def = 1; SparedGraphDef graph_def = 2; SaverDef saver_def = 3;
  map<string, SignatureDef> signature_def = 5;
}
message SparedSavedModel { int64 saved_model_schema_version = 1; repeated SparedMetaGraphDef meta_graphs = 2; }

message BundleHeaderProto { int32 num_shards = 1; int32 endianness = 2; VersionDef version = 3; }
message TensorSliceProto {
  message Extent { int64 start = 1; int64 length = 2; }
  repeated Extent extent = 1;
}
message BundleEntryProto {
  DataType dtype = 1; TensorShapeProto shape = 2; int32 shard_id = 3; int64 offset = 4; int64 size = 5;
  fixed32 crc32c = 6; repeated TensorSliceProto slices = 7;
}
message ObjectAttribute { string name = 1; string full_name = 2; string checkpoint_key = 3; }
message TrackableObject { repeated ObjectAttribute attributes = 2; }
message TrackableObjectGraph { repeated TrackableObject nodes = 1; }
message SavedSliceMeta {
  string name = 1; TensorShapeProto shape = 2; DataType type = 3; repeated TensorSliceProto slice = 4;
}
message SavedTensorSliceMeta { repeated SavedSliceMeta tensor = 1; VersionDef versions = 2; }
message SavedSlice { string name = 1; TensorSliceProto slice = 2; TensorProto data = 3; }
message SavedTensorSlices { SavedTensorSliceMeta meta = 1; SavedSlice data = 2; }
"""

SCHEMA = Schema(_TEXT)
SAVED_MODEL = SCHEMA["SavedModel"]
META_GRAPH = SCHEMA["MetaGraphDef"]
GRAPH = SCHEMA["GraphDef"]
# A SavedModel whose functions stay bytes until one is called: Keras saves thousands that nothing calls.
SPARED_MODEL, FUNCTION, FUNCTION_NAME = SCHEMA["SparedSavedModel"], SCHEMA["FunctionDef"], SCHEMA["FunctionName"]
