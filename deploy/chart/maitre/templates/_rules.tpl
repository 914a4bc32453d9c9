{{/* What the router may do where it serves endpoints. docs/kubernetes.md says of each line what it is for. */}}
{{- define "maitre.rules" -}}
- apiGroups: [maitre.dev]
  resources: [scoringendpoints]
  verbs: [list, watch]
- apiGroups: [maitre.dev]
  resources: [scoringendpoints/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch, create]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale]
  verbs: [get, update]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
{{- range .Values.rbac.extraKinds }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ .resource | quote }}]
  verbs: [list, watch]
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ printf "%s/scale" .resource | quote }}]
  verbs: [get, update]
{{- end }}
{{- end -}}

{{/* Who may. */}}
{{- define "maitre.subjects" -}}
- kind: ServiceAccount
  name: {{ include "maitre.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
