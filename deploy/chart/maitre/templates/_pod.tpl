{{/* The options of serve. */}}
{{- define "maitre.env" -}}
- name: MAITRE_HOST
  value: 0.0.0.0
- name: MAITRE_PORT
  value: "8080"
- name: MAITRE_ADMIN_HOST
  value: 0.0.0.0
- name: MAITRE_ADMIN_PORT
  value: "8081"
- name: MAITRE_DRAIN_SECONDS
  value: {{ .Values.drainSeconds | quote }}
- name: MAITRE_STATE_DIR
  value: /var/lib/maitre
{{- with .Values.namespaces }}
- name: MAITRE_NAMESPACE
  value: {{ join " " . }}
{{- end }}
- name: MAITRE_DEFAULT_NAMESPACE
  {{- with .Values.defaultNamespace }}
  value: {{ . }}
  {{- else }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
  {{- end }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.routerPods }}
{{- if .max }}
- name: MAITRE_OWN_WORKLOAD
  value: Deployment/{{ include "maitre.name" $ }}
- name: MAITRE_MIN_ROUTER_PODS
  value: {{ .min | quote }}
- name: MAITRE_MAX_ROUTER_PODS
  value: {{ .max | quote }}
{{- end }}
{{- end }}
{{- with .Values.tls }}
{{- if .secretName }}
- name: MAITRE_TLS_CERT
  value: /etc/maitre/serving/tls.crt
- name: MAITRE_TLS_KEY
  value: /etc/maitre/serving/tls.key
{{- if .clientCa }}
- name: MAITRE_TLS_CLIENT_CA
  value: /etc/maitre/serving/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.coordination.enabled }}
- name: POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
- name: MAITRE_COORDINATION_KEY_FILE
  value: /etc/maitre/coordination/key
- name: MAITRE_COORDINATION_HOST
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: MAITRE_COORDINATION_PORT
  value: "8082"
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A probe of the admin port: its path, and its scheme where that is not the default. */}}
{{- define "maitre.probe" -}}
path: {{ index . 0 }}
port: admin
{{- if eq (index . 1) "HTTPS" }}
scheme: HTTPS
{{- end }}
{{- end -}}
