// The first page: asks /api/ops/v1/overview every five seconds and draws it,
// and runs queries over the public APIs. Everything that comes from outside is
// set as text, never as HTML.
'use strict';

const REFRESH = 5000; // milliseconds
const MAX_ROWS = 200;
const COLORS = ['#e4572e', '#2e86ab', '#3c9d4e', '#a23b72', '#d99a00', '#5b5ea6', '#008b8b', '#8b5e3c'];
const EXAMPLES = {
  promql: ['sum by (state) (rate(system_cpu_time_seconds_total[5m]))', 'system_memory_usage_bytes', 'up', 'topk(10, count by (__name__) ({__name__=~".+"}))'],
  logql: ['{service_name=~".+"} |~ "(?i)error"', 'sum by (service_name) (count_over_time({service_name=~".+"}[5m]))'],
  traceql: ['{}', '{ status = error }', '{ duration > 100ms }'],
  sql: ['SELECT table, formatReadableSize(sum(data_compressed_bytes)) AS size, sum(rows) AS rows FROM system.parts WHERE active GROUP BY table ORDER BY sum(data_compressed_bytes) DESC'],
};

const byId = id => document.getElementById(id);
let language = stored('language') || (navigator.language.startsWith('zh') ? 'zh' : 'en');
let theme = stored('theme') || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
let overview = null;

function stored(key) {
  const asked = new URLSearchParams(location.search).get(key);
  if (asked) return asked;
  try { return localStorage.getItem(key); } catch { return null; }
}
function store(key, value) { try { localStorage.setItem(key, value); } catch { /* private window */ } }
function word(key, ...args) {
  const w = (WORDS[language] || WORDS.en)[key];
  return typeof w === 'function' ? w(...args) : w === undefined ? key : w;
}

// el makes an element with attributes and children; strings become text.
function el(tag, attrs = {}, ...children) {
  const node = tag === 'svg' || attrs.svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) if (k !== 'svg' && v !== undefined) node.setAttribute(k, v);
  for (const c of children.flat()) node.append(c instanceof Node ? c : String(c ?? ''));
  return node;
}
function table(columns, rows) {
  return el('table', {},
    el('thead', {}, el('tr', {}, columns.map(([name, cls]) => el('th', { class: cls }, name)))),
    el('tbody', {}, rows.map(r => el('tr', {}, r.map((c, i) => el('td', { class: columns[i][1] }, c))))));
}
function state(s) { return el('span', { class: `state ${s}` }, word(s)); }
function span(seconds) {
  const u = UNITS[language] || UNITS.en;
  const sep = language === 'zh' ? '' : ' ';
  if (seconds < 60) return Math.round(seconds) + sep + u[0];
  if (seconds < 3600) return Math.round(seconds / 60) + sep + u[1];
  if (seconds < 86400) return Math.round(seconds / 3600) + sep + u[2];
  return Math.round(seconds / 86400) + sep + u[3];
}
function ago(time, now) {
  if (!time) return word('never');
  const s = (new Date(now) - new Date(time)) / 1000;
  return s < 2 ? word('now') : word('ago', span(s));
}
function figure(v) {
  if (v === null || v === undefined) return '–';
  return v >= 100 ? Math.round(v).toLocaleString('en') : String(+v.toPrecision(3));
}
function percent(v) {
  if (v === null || v === undefined) return el('span', { class: 'quiet' }, '–');
  const p = Math.round(v * 100);
  const i = el('i', { class: p >= 90 ? 'full' : p >= 75 ? 'high' : '' });
  i.style.width = `${Math.min(100, p)}%`;
  return el('span', {}, `${p} %`, el('span', { class: 'bar' }, i));
}
function clock(time) { return new Date(time).toLocaleTimeString(language === 'zh' ? 'zh-CN' : 'en-GB'); }
function fill(id, content) { byId(id).querySelector('.body').replaceChildren(content); }
function quiet(text) { return el('p', { class: 'quiet' }, text); }
function queryLink(lang, expr, text) {
  const a = el('a', { href: '#' + new URLSearchParams({ lang, expr }) }, text);
  return a;
}

function draw() {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.documentElement.dataset.theme = theme;
  document.querySelectorAll('[data-t]').forEach(n => { n.textContent = word(n.dataset.t); });
  byId('language').textContent = language === 'zh' ? 'English' : '中文';
  byId('theme').textContent = theme === 'dark' ? '☀' : '☾';
  byId('theme').setAttribute('aria-label', word('theme'));
  drawExamples();
  if (!overview) return;
  const o = overview;
  byId('updated').textContent = word('updated', clock(o.now));
  const active = o.alerts.filter(a => a.state !== 'pending');
  const unknown = o.problems.length > 0 || active.some(a => a.state === 'unknown');
  const worst = ['critical', 'major', 'minor', 'warning'].find(l => active.some(a => a.level === l && a.state === 'firing'));
  const text = worst ? word('firing', active.length) : unknown ? word('cantTell') : word('allWell');
  byId('verdict').replaceChildren(el('span', { class: `state ${worst || (unknown ? 'unknown' : 'ok')}` }, text));
  byId('problem').hidden = o.problems.length === 0;
  byId('problem').textContent = o.problems.join(' · ');

  fill('alerts', o.alerts.length === 0 ? quiet(word('noAlerts')) : table(
    [[word('level')], [word('alert')], [word('what')], [word('since'), 't']],
    o.alerts.map(a => [
      state(a.state === 'unknown' ? 'unknown' : a.level), a.name,
      el('span', {}, (language === 'zh' && a.summary_zh) || a.summary || '', a.state === 'pending' ? el('span', { class: 'quiet' }, ` (${word('pending')})`) : ''),
      ago(a.since, o.now)])));
  fill('sources', o.sources.length === 0 ? quiet(word('noSources')) : table(
    [[word('signal')], [word('source')], [word('rate'), 'n'], [word('seen'), 't'], [word('state')]],
    o.sources.map(s => [word(s.signal), s.source, figure(s.per_second), ago(s.last_seen, o.now), state(s.state)])));
  fill('hosts', o.hosts.length === 0 ? quiet(word('noHosts')) : table(
    [[word('host')], [word('cpu'), 'n'], [word('memory'), 'n'], [word('disk'), 'n'], [word('state')]],
    o.hosts.map(h => [h.name, percent(h.cpu), percent(h.memory), percent(h.disk), state(h.state)])));
  fill('errors', o.errors.length === 0 ? quiet(word('noErrors')) : table(
    [[word('time'), 't'], [word('service')], [word('message'), 'line']],
    o.errors.map(e => [clock(e.time), queryLink('logql', e.query, e.service || '–'), e.line.length > 300 ? e.line.slice(0, 300) + '…' : e.line])));
}

function drawExamples() {
  const lang = byId('lang').value;
  byId('examples').replaceChildren(...EXAMPLES[lang].map(e => queryLink(lang, e, e.length > 90 ? e.slice(0, 90) + '…' : e)));
}

async function refresh() {
  try {
    const resp = await fetch('api/ops/v1/overview');
    if (!resp.ok) throw new Error(`${resp.status} ${await resp.text()}`);
    overview = await resp.json();
    draw();
  } catch (err) {
    byId('problem').hidden = false;
    byId('problem').textContent = `${word('unreachable')}: ${err.message}`;
    byId('verdict').replaceChildren(state('unknown'));
  }
  setTimeout(refresh, document.hidden ? 4 * REFRESH : REFRESH);
}

// Each language asks its own public API and returns something to show.
const RUN = {
  async promql(expr) {
    const end = Date.now() / 1000, start = end - 3600;
    const a = await ask('api/v1/query_range?' + new URLSearchParams({ query: expr, start, end, step: 15 }));
    const series = a.data.result.map(r => ({ name: selector(r.metric), points: (r.values || r.histograms || []).map(([t, v]) => [t, typeof v === 'object' ? +v.count : +v]) }));
    if (series.length === 0) return quiet(word('noAnswer'));
    return el('div', {}, chart(series, start, end), legend(series));
  },
  async logql(expr) {
    const end = Date.now() * 1e6, start = end - 3600e9;
    const a = await ask('loki/api/v1/query_range?' + new URLSearchParams({ query: expr, start, end, limit: MAX_ROWS, step: 15 }));
    if (a.data.resultType === 'matrix') {
      const series = a.data.result.map(r => ({ name: selector(r.metric), points: r.values.map(([t, v]) => [t, +v]) }));
      return series.length ? el('div', {}, chart(series, start / 1e9, end / 1e9), legend(series)) : quiet(word('noAnswer'));
    }
    const lines = a.data.result.flatMap(s => s.values.map(v => [v[0], s.stream, v[1]])).sort((x, y) => (x[0] < y[0] ? 1 : -1));
    if (lines.length === 0) return quiet(word('noAnswer'));
    return table([[word('time'), 't'], [word('service')], [word('message'), 'line']],
      lines.slice(0, MAX_ROWS).map(([t, s, l]) => [clock(+t / 1e6), s.service_name || s.job || '', l]));
  },
  async traceql(expr) {
    const end = Math.ceil(Date.now() / 1000), start = end - 3600;
    const a = await ask('tempo/api/search?' + new URLSearchParams({ q: expr, start, end, limit: 50 }));
    const traces = a.traces || [];
    if (traces.length === 0) return quiet(word('noAnswer'));
    return table([[word('time'), 't'], [word('service')], [word('what')], ['ms', 'n'], ['']],
      traces.map(t => [clock(+t.startTimeUnixNano / 1e6), t.rootServiceName || '', t.rootTraceName || '', figure(t.durationMs ?? 0),
        el('a', { href: `tempo/api/traces/${t.traceID}` }, t.traceID)]));
  },
  async sql(expr) {
    const a = await ask('api/ops/v1/sql', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query: expr }) });
    const columns = a.columns.map(c => [c.name, /^(U?Int|Float|Decimal)/.test(c.type) ? 'n' : 'line']);
    if (a.rows.length === 0) return quiet(word('noAnswer'));
    const note = a.rows.length > MAX_ROWS ? `${word('rows', a.rows.length)}, ${word('first', MAX_ROWS)}` : word('rows', a.rows.length);
    return el('div', {}, table(columns, a.rows.slice(0, MAX_ROWS).map(r => r.map(v => (v !== null && typeof v === 'object' ? JSON.stringify(v) : String(v))))), quiet(note));
  },
};
async function ask(url, options) {
  const resp = await fetch(url, options);
  const text = await resp.text();
  let body;
  try { body = JSON.parse(text); } catch { throw new Error(text.slice(0, 400) || resp.statusText); }
  if (!resp.ok || body.status === 'error') throw new Error(body.error || text.slice(0, 400));
  return body;
}
function selector(metric) {
  const { __name__: name = '', ...rest } = metric;
  const inner = Object.entries(rest).map(([k, v]) => `${k}="${v}"`).join(', ');
  return name + (inner || !name ? `{${inner}}` : '');
}

function chart(series, start, end) {
  const W = Math.max(260, byId('answer').clientWidth), H = 200, left = 64, bottom = 20, top = 8;
  const values = series.flatMap(s => s.points.map(p => p[1])).filter(Number.isFinite);
  let low = Math.min(...values, 0), high = Math.max(...values);
  if (!(high > low)) high = low + 1;
  const x = t => left + (t - start) / (end - start) * (W - left - 8);
  const y = v => top + (high - v) / (high - low) * (H - top - bottom);
  const svg = el('svg', { class: 'chart', viewBox: `0 0 ${W} ${H}`, role: 'img' });
  const marks = W < 500 ? 2 : 4;
  for (let i = 0; i <= 4; i++) {
    const v = low + (high - low) * i / 4;
    svg.append(el('line', { svg: 1, class: 'grid', x1: left, x2: W - 8, y1: y(v), y2: y(v) }),
      el('text', { svg: 1, x: left - 6, y: y(v) + 4, 'text-anchor': 'end' }, figure4(v)));
    if (i > marks) continue;
    const t = start + (end - start) * i / marks;
    svg.append(el('text', { svg: 1, x: x(t), y: H - 4, 'text-anchor': i === 0 ? 'start' : i === marks ? 'end' : 'middle' }, clock(t * 1000).slice(0, 5)));
  }
  series.slice(0, 50).forEach((s, i) => {
    let d = '', last = null;
    for (const [t, v] of s.points) {
      if (!Number.isFinite(v)) { last = null; continue; }
      d += `${last !== null && t - last <= 60 ? 'L' : 'M'}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
      last = t;
    }
    svg.append(el('path', { svg: 1, d, fill: 'none', stroke: COLORS[i % COLORS.length], 'stroke-width': 1.6, 'stroke-linecap': 'round', 'vector-effect': 'non-scaling-stroke' }));
  });
  return svg;
}
function figure4(v) {
  const a = Math.abs(v);
  for (const [f, u] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) if (a >= f) return +(v / f).toPrecision(3) + u;
  return String(+v.toPrecision(3));
}
function legend(series) {
  return el('div', { class: 'legend' }, series.slice(0, 50).map((s, i) => {
    const mark = el('i'); mark.style.background = COLORS[i % COLORS.length];
    const last = s.points.length ? s.points[s.points.length - 1][1] : NaN;
    return el('span', {}, mark, `${s.name} ${figure4(last)}`);
  }), series.length > 50 ? el('span', { class: 'quiet' }, word('first', 50)) : '');
}

async function run() {
  const lang = byId('lang').value, expr = byId('expr').value.trim();
  if (!expr) return;
  history.replaceState(null, '', '#' + new URLSearchParams({ lang, expr }));
  byId('answer').replaceChildren(quiet('…'));
  try {
    byId('answer').replaceChildren(await RUN[lang](expr));
  } catch (err) {
    byId('answer').replaceChildren(el('p', { class: 'problem' }, err.message));
  }
}
function fromHash() {
  const p = new URLSearchParams(location.hash.slice(1));
  if (!p.get('expr')) return;
  byId('lang').value = p.get('lang') in RUN ? p.get('lang') : 'promql';
  byId('expr').value = p.get('expr');
  drawExamples();
  run();
  byId('explore').scrollIntoView({ block: 'nearest' });
}

byId('language').onclick = () => { language = language === 'zh' ? 'en' : 'zh'; store('language', language); draw(); };
byId('theme').onclick = () => { theme = theme === 'dark' ? 'light' : 'dark'; store('theme', theme); draw(); };
byId('lang').onchange = drawExamples;
byId('query').onsubmit = e => { e.preventDefault(); run(); };
byId('expr').onkeydown = e => { if (e.key === 'Enter' && !e.shiftKey) { e.preventDefault(); run(); } };
addEventListener('hashchange', fromHash);
draw();
fromHash();
refresh();
