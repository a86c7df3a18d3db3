'use strict';
// kafkajs brings only gzip: the other three codecs are plugged in from packages
// that need no compiler (JavaScript and WebAssembly).
const { CompressionCodecs, CompressionTypes } = require('kafkajs');

const simple = (compress, decompress) => () => ({
  compress: async (encoder) => compress(encoder.buffer),
  decompress: async (buffer) => decompress(buffer),
});

module.exports = async () => {
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  const { lz4js } = await require('lz4-asm')().ready;
  CompressionCodecs[CompressionTypes.LZ4] = simple((b) => Buffer.from(lz4js.compress(b)), (b) => Buffer.from(lz4js.decompress(b)));
  const zstd = await new Promise((resolve) => require('zstd-codec').ZstdCodec.run((z) => resolve(new z.Simple())));
  CompressionCodecs[CompressionTypes.ZSTD] = simple((b) => Buffer.from(zstd.compress(b, 3)), (b) => Buffer.from(zstd.decompress(b)));
};
