// The words of the page in its two languages.
'use strict';
const WORDS = {
  en: {
    alerts: 'Alerts', sources: 'What comes in', hosts: 'Hosts', errors: 'Newest errors', explore: 'Explore', run: 'Run',
    noAlerts: 'No alert is active.', noSources: 'Nothing has come in yet.', noHosts: 'No host has reported.', noErrors: 'No error in the last hour.',
    signal: 'Signal', source: 'Source', rate: 'Records/s', seen: 'Last seen', state: 'State', host: 'Host', cpu: 'CPU', memory: 'Memory', disk: 'Fullest disk',
    level: 'Level', alert: 'Alert', since: 'Since', what: 'What', time: 'Time', service: 'Service', message: 'Message',
    ok: 'ok', late: 'late', missing: 'silent', unknown: 'unknown', pending: 'pending',
    critical: 'critical', major: 'major', minor: 'minor', warning: 'warning',
    metrics: 'metrics', logs: 'logs', traces: 'traces', events: 'events',
    allWell: 'No alert is active', firing: n => `${n} alert${n === 1 ? '' : 's'} active`, cantTell: 'The state is unknown',
    updated: s => `updated ${s}`, ago: s => `${s} ago`, now: 'just now', never: 'never',
    noAnswer: 'The answer is empty.', rows: n => `${n} rows`, first: n => `first ${n} shown`, theme: 'Theme', unreachable: 'Watchfire can’t be reached; what is shown is from before',
  },
  zh: {
    alerts: '告警', sources: '数据接入', hosts: '主机', errors: '最新错误', explore: '查询', run: '执行',
    noAlerts: '当前没有活动告警。', noSources: '尚未接收到任何数据。', noHosts: '尚无主机上报。', noErrors: '最近一小时没有错误。',
    signal: '信号', source: '来源', rate: '每秒记录数', seen: '最近接收', state: '状态', host: '主机', cpu: 'CPU', memory: '内存', disk: '最满磁盘',
    level: '级别', alert: '告警', since: '开始于', what: '内容', time: '时间', service: '服务', message: '消息',
    ok: '正常', late: '延迟', missing: '静默', unknown: '未知', pending: '待定',
    critical: '紧急', major: '重要', minor: '次要', warning: '提示',
    metrics: '指标', logs: '日志', traces: '链路', events: '事件',
    allWell: '当前没有活动告警', firing: n => `${n} 条活动告警`, cantTell: '状态未知',
    updated: s => `更新于 ${s}`, ago: s => `${s}前`, now: '刚刚', never: '从未',
    noAnswer: '查询结果为空。', rows: n => `${n} 行`, first: n => `仅显示前 ${n} 行`, theme: '主题', unreachable: '无法连接 Watchfire，显示的是此前的数据',
  },
};
const UNITS = { en: ['s', 'min', 'h', 'd'], zh: ['秒', '分钟', '小时', '天'] };
