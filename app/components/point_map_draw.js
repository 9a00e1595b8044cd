// Points on a canvas: WebGL, and plain 2-D drawing where a browser has none (remote desktops, some phones).
// A view is {rows: [[x,y,z],[x,y,z]], scale: [sx,sy], offset: [ox,oy]}: clip = scale * (rows · p) + offset.

const VERTEX = `
attribute vec3 p; attribute float code; attribute float faded;
uniform vec3 across, up; uniform vec2 scale, offset; uniform float size;
varying float at, dim;
void main() {
  vec3 deep = cross(across, up);
  gl_Position = vec4(vec2(dot(across, p), dot(up, p)) * scale + offset, -0.4 * dot(deep, p), 1.0);
  gl_PointSize = faded > 0.5 ? size * 0.8 : size;
  at = (code + 0.5) / 256.0; dim = faded;
}`;
const FRAGMENT = `
precision mediump float;
uniform sampler2D palette; uniform float alpha;
varying float at, dim;
void main() {
  vec4 colour = texture2D(palette, vec2(at, 0.5));
  if (colour.a < 0.01) discard;
  float far = length(gl_PointCoord - 0.5);
  float edge = smoothstep(0.5, 0.38, far);
  float strength = edge * colour.a * (dim > 0.5 ? 0.13 : alpha);
  if (strength < 0.01) discard;
  gl_FragColor = vec4(colour.rgb, strength);
}`;

function painter(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: false });
  return gl ? webglPainter(canvas, gl) : plainPainter(canvas);
}

function webglPainter(canvas, gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const places = Object.fromEntries(["across", "up", "scale", "offset", "size", "alpha"].map((name) => [name, uniform(name)]));
  const buffers = {};
  let count = 0;

  function attribute(name, values, width, kind) {
    buffers[name] ??= gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, width, kind, false, 0, 0);
  }

  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]])
    gl.texParameteri(gl.TEXTURE_2D, key, value);

  return {
    kind: "webgl",
    points(xyz) { count = xyz.length / 3; attribute("p", xyz, 3, gl.FLOAT); },
    codes(codes) { attribute("code", codes, 1, gl.UNSIGNED_BYTE); },
    faded(flags) { attribute("faded", flags, 1, gl.UNSIGNED_BYTE); },
    palette(rgba) { gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba); },
    draw(view, size, alpha) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform3fv(places.across, view.rows[0]);
      gl.uniform3fv(places.up, view.rows[1]);
      gl.uniform2fv(places.scale, view.scale);
      gl.uniform2fv(places.offset, view.offset);
      gl.uniform1f(places.size, size);
      gl.uniform1f(places.alpha, alpha);
      gl.drawArrays(gl.POINTS, 0, count);
    },
    free() { gl.getExtension("WEBGL_lose_context")?.loseContext(); },
  };
}

function plainPainter(canvas) {
  const context = canvas.getContext("2d");
  const held = { points: new Float32Array(), codes: new Uint8Array(), faded: new Uint8Array(), palette: new Uint8Array(1024) };
  const keep = (name) => (values) => { held[name] = values; };
  return {
    kind: "2d",
    points: keep("points"), codes: keep("codes"), faded: keep("faded"), palette: keep("palette"),
    draw(view, size, alpha) {
      const { width, height } = canvas;
      context.clearRect(0, 0, width, height);
      const drawn = Math.max(1.5, size * 0.8);
      for (let code = 0; code < 256; code++) {
        const [r, g, b, a] = held.palette.subarray(4 * code, 4 * code + 4);
        if (!a) continue;
        context.fillStyle = `rgb(${r},${g},${b})`;
        for (let i = 0; i < held.codes.length; i++) {
          if (held.codes[i] !== code) continue;
          const [x, y] = onCanvas(view, held.points, i, width, height);
          if (x < 0 || y < 0 || x > width || y > height) continue;
          context.globalAlpha = (a / 255) * (held.faded[i] ? 0.13 : alpha);
          context.fillRect(x - drawn / 2, y - drawn / 2, drawn, drawn);
        }
      }
      context.globalAlpha = 1;
    },
    free() {},
  };
}

function onCanvas(view, xyz, i, width, height) {
  const x = xyz[3 * i], y = xyz[3 * i + 1], z = xyz[3 * i + 2];
  const [a, b] = view.rows;
  const u = (a[0] * x + a[1] * y + a[2] * z) * view.scale[0] + view.offset[0];
  const v = (b[0] * x + b[1] * y + b[2] * z) * view.scale[1] + view.offset[1];
  return [((u + 1) / 2) * width, ((1 - v) / 2) * height];
}

// The plane a turned cube is looked at through: yaw about y, then pitch about x. app/point_map.py has the same.
function turned(yaw, pitch) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return [[cy, 0, sy], [sy * sp, cp, -cy * sp]];
}

function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}
