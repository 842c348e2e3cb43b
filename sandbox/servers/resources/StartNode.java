import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on loopback, until it is told to end: StartNode DATA_DIR HTTP_PORT. */
public final class StartNode {
    private StartNode() {
    }

    public static void main(String[] args) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", args[1]);
            settings.put("transport.port", "0");
            settings.putList("node.roles", "cluster_manager", "data", "ingest");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        }).build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("tailrace"));
        runner.ensureYellow();
        Thread.currentThread().join();
    }
}
