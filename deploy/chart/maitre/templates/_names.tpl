{{/* What all objects are called: the release's name, which says maitre in any case. */}}
{{- define "maitre.name" -}}
{{- if contains "maitre" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-maitre" (.Release.Name | trunc 43 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* By what the router's pods are found; never changes between two versions of the chart. */}}
{{- define "maitre.selector" -}}
app.kubernetes.io/name: maitre
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "maitre.labels" -}}
{{ include "maitre.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Where the key is that all routers share. */}}
{{- define "maitre.coordinationSecret" -}}
{{- .Values.coordination.secretName | default (printf "%s-coordination" (include "maitre.name" .)) -}}
{{- end -}}
