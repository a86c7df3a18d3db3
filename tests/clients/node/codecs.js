'use strict';
// kafkajs brings only gzip: the other three codecs are plugged in from packages
// that need no compiler.
const { CompressionCodecs, CompressionTypes } = require('kafkajs');

const simple = (compress, decompress) => () => ({
  compress: async (encoder) => compress(encoder.buffer),
  decompress: async (buffer) => decompress(buffer),
});

module.exports = async () => {
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  // Kafka wants LZ4 frames with independent blocks, which is what this one writes.
  const lz4 = require('lz4-napi');
  CompressionCodecs[CompressionTypes.LZ4] = simple((b) => lz4.compressFrame(b), (b) => lz4.decompressFrame(b));
  const zstd = await new Promise((resolve) => require('zstd-codec').ZstdCodec.run((z) => resolve(new z.Simple())));
  CompressionCodecs[CompressionTypes.ZSTD] = simple((b) => Buffer.from(zstd.compress(b, 3)), (b) => Buffer.from(zstd.decompress(b)));
};
