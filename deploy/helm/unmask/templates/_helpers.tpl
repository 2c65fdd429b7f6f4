{{/* Always with "unmask" in it: Prometheus's job is named after the Service, and the alert rules ask for such jobs. */}}
{{- define "unmask.name" -}}
{{- if contains "unmask" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-unmask{{ end -}}
{{- end }}

{{/* (root, component) */}}
{{- define "unmask.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: unmask
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "unmask.labels" -}}
{{- $root := index . 0 -}}
{{ include "unmask.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "unmask.port" -}}8008{{- end }}
{{- define "unmask.secrets" -}}/run/secrets/unmask{{- end }}

{{- define "unmask.image" -}}
{{- $root := index . 0 -}}
{{- $tag := $root.Values.image.tag | default $root.Chart.AppVersion -}}
{{- if and (eq (index . 1) "worker") $root.Values.worker.gpu.enabled }}{{ $tag = $root.Values.worker.gpu.tag | default (printf "%s-gpu" $tag) }}{{ end -}}
{{ $root.Values.image.repository }}{{ hasPrefix "sha256:" $tag | ternary "@" ":" }}{{ $tag }}
{{- end }}

{{/* The cost model: docs/performance.md. */}}
{{- define "unmask.cameras" -}}
{{ .Values.load.cameras | default (max 1 (len (.Values.settings.cameras | default dict))) }}
{{- end }}
{{- define "unmask.crops" -}}
{{ mulf (include "unmask.cameras" .) .Values.load.facesPerCamera .Values.load.analysisFps }}
{{- end }}
{{- define "unmask.reserve" -}}
{{ divf 1 (subf 1 .Values.cost.free) }}
{{- end }}
{{- define "unmask.millicores" -}}
{{ max 20 (int (ceil (mulf 1000 .))) }}m
{{- end }}

{{- define "unmask.streamer.replicas" -}}
{{ .Values.streamer.replicas | default (int (ceil (divf (include "unmask.cameras" .) .Values.streamer.camerasPerReplica))) }}
{{- end }}
{{- define "unmask.worker.replicas" -}}
{{ .Values.worker.replicas | default (max 1 (int (ceil (divf (mulf (include "unmask.crops" .) .Values.cost.crop (include "unmask.reserve" .)) .Values.worker.cores)))) }}
{{- end }}
{{- define "unmask.dashboard.replicas" -}}
{{ .Values.dashboard.replicas }}
{{- end }}

{{- define "unmask.streamer.resources" -}}
{{- $cameras := int (ceil (divf (include "unmask.cameras" .) (include "unmask.streamer.replicas" .))) -}}
requests:
  cpu: {{ include "unmask.millicores" (mulf $cameras .Values.cost.camera (include "unmask.reserve" .)) }}
  memory: {{ add 250 (mul 19 $cameras) }}Mi  # 100 of it for the probes
limits:
  memory: {{ add 1024 (mul 384 $cameras) }}Mi  # as streamer.memory_mb
{{- end }}
{{- define "unmask.worker.resources" -}}
{{- $gpu := .Values.worker.gpu -}}
requests:
  cpu: {{ include "unmask.millicores" (float64 .Values.worker.cores) }}
  memory: 1200Mi
limits:
  memory: 4Gi
  {{- if $gpu.enabled }}
  {{ $gpu.resource }}: 1
  {{- end }}
{{- end }}
{{- define "unmask.dashboard.resources" -}}
requests: {cpu: 100m, memory: 256Mi}
limits: {memory: 1Gi}
{{- end }}
{{- define "unmask.redis.resources" -}}
{{- $windows := divf (include "unmask.crops" .) (dig "window" "stride" 4 .Values.settings) -}}
requests:
  cpu: {{ include "unmask.millicores" (mulf $windows .Values.cost.window (include "unmask.reserve" .)) }}
  memory: {{ int .Values.redis.maxmemoryMb }}Mi
limits:
  memory: {{ mul 2 .Values.redis.maxmemoryMb }}Mi
{{- end }}

{{- define "unmask.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "unmask.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The Secrets' files that a role gets: Redis's url and what .Values.secrets names for it, as items of a projected volume. */}}
{{- define "unmask.files" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
{{- if .Values.redis.secret }}
- secret: {name: {{ .Values.redis.secret }}, items: [{key: url, path: REDIS_URL}]}
{{- end }}
{{- range $name, $one := .Values.secrets }}
{{- if and $one (has $role $one.for) }}
- secret: {name: {{ $one.secret }}, items: [{key: {{ $one.key | quote }}, path: {{ $name }}}]}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "unmask.env" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
{{- if .Values.redis.secret }}
- {name: REDIS_URL_FILE, value: {{ include "unmask.secrets" . }}/REDIS_URL}
{{- else if .Values.redis.enabled }}
- {name: REDIS_URL, value: "redis://{{ include "unmask.name" . }}-redis:6379/0"}
{{- else }}
- {name: REDIS_URL, value: {{ required "redis.enabled is false: set redis.secret, or redis.url" .Values.redis.url | quote }}}
{{- end }}
- {name: UNMASK_MODELS, value: /models}
- {name: UNMASK_TELEMETRY__LOG_FORMAT, value: json}
{{- if eq $role "worker" }}
{{- if .Values.worker.gpu.enabled }}
- {name: UNMASK_WORKER__DEVICE, value: cuda}
{{- end }}
- {name: UNMASK_WORKER__THREADS, value: {{ ceil .Values.worker.cores | int | quote }}}  # else one for each core of the node
{{- else if eq $role "dashboard" }}
- {name: UNMASK_DASHBOARD__HOST, value: 0.0.0.0}
- {name: UNMASK_DASHBOARD__PORT, value: {{ include "unmask.port" . | quote }}}
{{- end }}
{{- range $name, $one := .Values.secrets }}
{{- if and $one (has $role $one.for) }}
- {name: {{ $name }}_FILE, value: {{ include "unmask.secrets" $ }}/{{ $name }}}
{{- else if and $one (not (hasPrefix "UNMASK_" $name)) }}
- {name: {{ $name }}, value: not-needed-here}  # all read the same unmask.yaml
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "unmask.probes" -}}
{{- if eq (index . 1) "dashboard" -}}
{{- $get := printf "{path: /healthz, port: http, scheme: %s}" (empty (dig "dashboard" "tls_certificate" "" (index . 0).Values.settings) | ternary "HTTP" "HTTPS") -}}
startupProbe: {httpGet: {{ $get }}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 60}
livenessProbe: {httpGet: {{ $get }}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
readinessProbe: {httpGet: {{ $get }}, periodSeconds: 5, timeoutSeconds: 5}  # not /readyz: who looks is to be told what is missing
{{- else -}}
{{- $role := index . 1 -}}
# Each asking takes a third of a second of a core.
startupProbe: {exec: {command: [unmask, health, --live, {{ $role }}]}, periodSeconds: 5, timeoutSeconds: 15, failureThreshold: 36}
livenessProbe: {exec: {command: [unmask, health, --live, {{ $role }}]}, periodSeconds: 30, timeoutSeconds: 15, failureThreshold: 3}
readinessProbe: {exec: {command: [unmask, health, {{ $role }}]}, periodSeconds: 30, timeoutSeconds: 15}
{{- end }}
{{- end }}
