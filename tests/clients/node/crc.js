'use strict';
// CRC-32 (IEEE) over several buffers; Node 20's zlib has none.
const table = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

module.exports = (...buffers) => {
  let c = 0xffffffff;
  for (const b of buffers) for (let i = 0; i < b.length; i++) c = table[(c ^ b[i]) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
};
